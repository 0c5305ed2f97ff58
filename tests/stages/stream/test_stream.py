"""The stream is exact: nothing twice and nothing missing, whoever takes part, whenever they change,
and however a loop is left.
"""

from __future__ import annotations

import importlib.util
import json
import multiprocessing
import os
import socket
import subprocess
import sys
import textwrap
from pathlib import Path
from subprocess import run
from sys import executable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from modalmill.stages import stream
from modalmill.stages.stream.order.permutation import Shuffled
from streams import MIXED_PARTS
from torch.utils.data import DataLoader

Ledger = list[list[str]]
TEXT = {"question": stream.TextSpec()}
some_shuffles = st.sampled_from([True, False, stream.Blocks(block_bytes=4096, window_bytes=12_000)])


def opened(shards: Any, **options: Any) -> stream.Stream:
    return stream.open(shards, **{"parts": {"image": stream.BytesSpec()}, "seed": 3, **options})


def global_batches(streams: list[stream.Stream], limit: int | None = None) -> Ledger:
    """The keys of each global batch: of all ranks, padding left out; all ranks must take the same
    number of steps.
    """
    taken = [
        [
            (batch.keys, batch.weight_B.tolist())
            for _, batch in zip(range(10**9 if limit is None else limit), one, strict=False)
        ]
        for one in streams
    ]
    assert len({len(one) for one in taken}) == 1
    found: Ledger = []
    for ranks in zip(*taken, strict=True):
        assert len({len(keys) for keys, _ in ranks}) == 1
        assert all(
            (key == "") == (weight == 0)
            for keys, weights in ranks
            for key, weight in zip(keys, weights, strict=True)
        )
        found.append([key for keys, _ in ranks for key in keys if key])
    return found


@settings(max_examples=60)
@given(
    world=st.integers(1, 7),
    batch=st.integers(1, 400),
    shuffle=some_shuffles,
    drop_last=st.booleans(),
    epoch=st.integers(0, 2),
    repeat=st.integers(1, 2),
    take=st.one_of(st.none(), st.integers(1, 50)),
)
def test_any_number_of_ranks_is_given_the_same_global_batches(
    uneven_shards: Path,
    world: int,
    batch: int,
    shuffle: Any,
    drop_last: bool,
    epoch: int,
    repeat: int,
    take: int | None,
) -> None:
    def ledger(world: int) -> Ledger:
        streams = [
            opened(
                uneven_shards,
                batch_size=batch,
                shuffle=shuffle,
                drop_last=drop_last,
                repeat=repeat,
                take=take,
                rank=rank,
                world=world,
            )
            for rank in range(world)
        ]
        for one in streams:
            one.set_epoch(epoch)
            assert len(one) == len(streams[0])
        found = global_batches(streams)
        assert len(found) == len(streams[0])
        assert all(one.epoch == epoch + 1 for one in streams)
        return found

    found = ledger(world)
    assert found == ledger(1)
    keys = [key for some in found for key in some]
    records = 300 if take is None else min(take, 300)
    if drop_last:
        assert len(keys) == records * repeat // batch * batch
    else:
        assert sorted(keys) == sorted(list(set(keys)) * repeat)
        assert len(keys) == records * repeat


@settings(max_examples=40)
@given(
    changes=st.lists(st.tuples(st.integers(1, 7), st.integers(0, 6)), min_size=1, max_size=4),
    batch=st.integers(1, 30),
    shuffle=some_shuffles,
    weights=st.one_of(st.none(), st.tuples(st.integers(1, 9), st.integers(1, 9))),
    drop_last=st.booleans(),
)
def test_the_world_may_change_in_the_middle_of_an_epoch(
    uneven_shards: Path,
    vqa_shards: Path,
    changes: list[tuple[int, int]],
    batch: int,
    shuffle: Any,
    weights: Any,
    drop_last: bool,
) -> None:
    """Any number of ranks goes on where any other number stopped; together they make the epoch that
    one rank makes alone.
    """
    sets = [uneven_shards, vqa_shards] if weights else uneven_shards
    options = {"batch_size": batch, "shuffle": shuffle, "weights": weights, "drop_last": drop_last}
    wanted = global_batches([opened(sets, **options)])
    state, found = opened(sets, **options).state_dict(), []
    for world, steps in [*changes, (3, 10**9)]:
        streams = [opened(sets, **options, rank=rank, world=world) for rank in range(world)]
        for one in streams:
            one.load_state_dict(json.loads(json.dumps(state)))
        if state["epoch"]:
            break
        found += global_batches(streams, steps)
        states = [one.state_dict() for one in streams]
        assert all(one == states[0] for one in states)
        state = states[0]
        assert len(json.dumps(state)) < 300
    assert found == wanted


@settings(max_examples=12, suppress_health_check=[HealthCheck.too_slow])
@given(
    workers=st.integers(0, 3),
    batch=st.integers(1, 40),
    start=st.integers(0, 5),
    world=st.integers(1, 2),
)
def test_a_data_loader_gives_the_same_batches_with_any_number_of_workers(
    uneven_shards: Path, workers: int, batch: int, start: int, world: int
) -> None:
    def ledger(workers: int | None) -> Ledger:
        found: Ledger = []
        for rank in range(world):
            one = opened(uneven_shards, batch_size=batch, rank=rank, world=world, drop_last=False)
            for _ in zip(range(start), one, strict=False):
                pass
            state = one.state_dict()
            if state["epoch"]:
                return []
            again = opened(uneven_shards, batch_size=batch, rank=rank, world=world, drop_last=False)
            again.load_state_dict(state)
            batches = (
                again
                if workers is None
                else DataLoader(again, batch_size=None, num_workers=workers)
            )
            last = None
            for number, some in enumerate(batches):
                if number == len(found):
                    found.append([])
                found[number] += [key for key in some.keys if key]
                last = some
            assert last is None or again.state_after(last) == {
                **state,
                "epoch": 1,
                "records_done": 0,
            }
        return found

    assert ledger(workers) == ledger(None)


@pytest.mark.parametrize(("batch", "count"), [(64, 3), (1, 3), (2, 3)])
def test_a_set_smaller_than_a_batch_and_than_the_ranks_is_still_given_whole(
    vqa_shards: Path, batch: int, count: int
) -> None:
    streams = [
        stream.open(
            vqa_shards,
            batch_size=batch,
            parts=TEXT,
            take=count,
            drop_last=False,
            rank=rank,
            world=5,
        )
        for rank in range(5)
    ]
    assert sorted(key for some in global_batches(streams) for key in some) == sorted(
        streams[0].index.keys(range(count))
    )


def test_resuming_far_into_a_large_set_is_as_quick_as_beginning() -> None:
    """No work is done for what was already seen: the order is asked for as many positions, wherever
    they lie.
    """
    from modalmill.stages.stream.order.batches import GlobalBatches

    class Counting(Shuffled):
        asked = 0

        def records(self, epoch: int, start: int, stop: int) -> Any:
            Counting.asked += stop - start
            return super().records(epoch, start, stop)

    batches = GlobalBatches(Counting(50_000_000, 7), batch_size=64, drop_last=True)
    job = next(batches.jobs(epoch=0, done=10_000_000, rank=0, world=1))
    assert Counting.asked == 64
    assert job.done == 10_000_064


def test_a_state_of_other_data_or_another_seed_is_refused(
    vqa_shards: Path, uneven_shards: Path
) -> None:
    state = stream.open(vqa_shards, parts=TEXT, batch_size=4).state_dict()
    for other, what in (
        (stream.open(uneven_shards, batch_size=4), "other data"),
        (stream.open(vqa_shards, parts=TEXT, batch_size=4, take=7), "other data"),
        (stream.open(vqa_shards, parts=TEXT, batch_size=4, shuffle=False), "another order"),
        (stream.open(vqa_shards, parts=TEXT, batch_size=4, seed=1), "seed 0"),
    ):
        with pytest.raises(stream.InputError, match=what):
            other.load_state_dict(state)


RANKS = textwrap.dedent(
    """
    import json, os, sys
    import torch.distributed as dist
    from modalmill.stages import stream

    def rank_of(shards, state, steps, out):
        dist.init_process_group("gloo")
        parts = {"image": stream.ImageSpec(size=16, crop="random")}
        batches = stream.open(shards, batch_size=6, seed=11, drop_last=False, parts=parts)
        if state:
            batches.load_state_dict(state)
        taken = []
        for batch in batches:
            sums = batch.parts["image"].flatten(1).sum(1).tolist()
            mine = [(key, total) for key, total in zip(batch.keys, sums) if key]
            everyone = [None] * dist.get_world_size()
            dist.all_gather_object(everyone, mine)
            taken.append([entry for some in everyone for entry in some])
            if len(taken) == steps:
                break
        if dist.get_rank() == 0:
            json.dump({"taken": taken, "state": batches.state_dict()}, open(out, "w"))
        dist.destroy_process_group()

    for line in sys.stdin:
        world, port, *asked = json.loads(line)
        there = {"WORLD_SIZE": world, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
        os.environ.update({name: str(value) for name, value in there.items()})
        ranks = []
        for rank in range(world):
            ranks.append(os.fork())
            if not ranks[-1]:
                os.environ["RANK"] = str(rank)
                rank_of(*asked)
                os._exit(0)
        print([os.waitpid(one, 0)[1] for one in ranks], flush=True)
    """
)


def test_real_processes_come_and_go_in_the_middle_of_an_epoch(
    uneven_shards: Path, tmp_path: Path
) -> None:
    """1 -> 2 -> 3 -> 1 processes under gloo make the epoch that one process makes alone, crops
    included. Each is forked from one that has imported torch and done nothing.
    """
    (tmp_path / "ranks.py").write_text(RANKS)

    def phase(world: int, state: dict[str, Any], steps: int) -> dict[str, Any]:
        after = tmp_path / "after.json"
        after.unlink(missing_ok=True)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        asked = [world, port, str(uneven_shards), state, steps, str(after)]
        assert parent.stdin is not None
        assert parent.stdout is not None
        print(json.dumps(asked), file=parent.stdin, flush=True)
        assert json.loads(parent.stdout.readline()) == [0] * world
        return dict(json.loads(after.read_text()))

    with subprocess.Popen(
        [sys.executable, str(tmp_path / "ranks.py")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as parent:
        wanted = phase(1, {}, 10**9)
        state: dict[str, Any] = {}
        taken = []
        for world, steps in [(1, 3), (2, 4), (3, 2), (1, 10**9)]:
            done = phase(world, state, steps)
            taken += done["taken"]
            state = done["state"]
    assert taken == wanted["taken"]
    assert sorted(key for some in taken for key, _ in some) == sorted(
        {key for some in taken for key, _ in some}
    )
    assert state == wanted["state"]
    assert state["epoch"] == 1


@given(batch=st.integers(1, 350), begin=st.integers(0, 299), drop_last=st.booleans())
def test_a_loop_that_counts_its_steps_goes_on_with_the_next_epoch(
    uneven_shards: Path, batch: int, begin: int, drop_last: bool
) -> None:
    """Who takes as many batches as there are never sees the iterator's end: the next one begins the
    next epoch all the same.
    """
    options: dict[str, Any] = {"batch_size": batch, "drop_last": drop_last}
    one, other = opened(uneven_shards, **options), opened(uneven_shards, **options)
    one.load_state_dict({**one.state_dict(), "records_done": begin})
    state = one.state_dict()
    other.load_state_dict(state)
    rest = [found.keys for found in other]
    batches = iter(one)
    assert [next(batches).keys for _ in rest] == rest
    if rest:
        assert (one.state_dict()["epoch"], one.state_dict()["records_done"]) == (
            state["epoch"] + 1,
            0,
        )
        assert [found.keys for found in one] == [found.keys for found in other]  # a whole epoch


def tens(shards: Path, **options: Any) -> stream.Stream:
    return opened(shards, **{"batch_size": 10, "drop_last": False, **options})


def keys(batches: Any) -> list[list[str]]:
    return [batch.keys for batch in batches]


def epochs(shards: Path, count: int) -> list[list[list[str]]]:
    one = tens(shards)
    return [keys(one) for _ in range(count)]


def test_the_next_loop_is_a_whole_epoch_and_another_one(uneven_shards: Path) -> None:
    whole = epochs(uneven_shards, 4)
    one = tens(uneven_shards)
    assert next(iter(one)).keys == whole[0][0]
    assert keys(one) == whole[1]
    one.set_epoch(1)  # it has just ended
    assert keys(one) == whole[1]
    next(iter(one))
    one.set_epoch(2)  # it was left
    assert keys(one) == whole[2]
    one.load_state_dict({**one.state_dict(), "epoch": 3, "records_done": 50})
    one.set_epoch(3)  # it was placed here: it stays
    assert keys(one) == whole[3][5:]


def test_evaluation_begins_at_the_beginning_after_a_look(uneven_shards: Path) -> None:
    one = tens(uneven_shards, shuffle=False)
    whole = keys(tens(uneven_shards, shuffle=False))
    for _ in range(2):
        next(iter(one))
    assert keys(one) == whole


@pytest.mark.parametrize("persistent", [False, True])
def test_workers_of_a_dataloader_agree_on_the_epoch(uneven_shards: Path, persistent: bool) -> None:
    whole = epochs(uneven_shards, 3)
    one = tens(uneven_shards)
    loader = DataLoader(one, batch_size=None, num_workers=2, persistent_workers=persistent)
    for number, _ in enumerate(loader):
        if number == 2:
            break
    one.set_epoch(1)
    assert keys(loader) == whole[1]
    one.set_epoch(2)
    assert keys(loader) == whole[2]


def test_a_device_goes_on_with_a_whole_epoch_too(uneven_shards: Path) -> None:
    whole = epochs(uneven_shards, 2)
    one = stream.OnDevice(tens(uneven_shards), "cpu")
    for batch in one:
        assert batch.keys == whole[0][0]
        break
    assert one.state_dict()["records_done"] == 10
    assert keys(one) == whole[1]
    next(iter(one))
    one.set_epoch(5)
    assert (one.state_dict()["epoch"], one.state_dict()["records_done"]) == (5, 0)


SPAWNED = textwrap.dedent(
    """
    import sys
    import torch.distributed as dist
    import torch.multiprocessing
    from modalmill.stages import stream
    from torch.utils.data import DataLoader

    def main(rank, shards, place):
        dist.init_process_group("gloo", rank=rank, world_size=2, init_method=f"file://{place}")
        parts = {"image": stream.BytesSpec()}
        one = stream.open(shards, parts=parts, batch_size=10, drop_last=False)
        loader = DataLoader(one, batch_size=None, num_workers=1, multiprocessing_context="spawn")
        found = [key for batch in loader for key in batch.keys if key]
        every = [None, None]
        dist.all_gather_object(every, found)
        if rank == 0:
            print(len(every[0]), len(every[1]), len({*every[0], *every[1]}))
        dist.destroy_process_group()

    if __name__ == "__main__":
        torch.multiprocessing.spawn(main, (sys.argv[1], sys.argv[2]), nprocs=2)
    """
)


def test_spawned_workers_know_their_rank(uneven_shards: Path, tmp_path: Path) -> None:
    (tmp_path / "ranks.py").write_text(SPAWNED)
    environment = {
        name: value for name, value in os.environ.items() if name not in ("RANK", "WORLD_SIZE")
    }
    done = run(
        [executable, tmp_path / "ranks.py", uneven_shards, tmp_path / "meeting"],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["150", "150", "300"]


def test_closing_in_a_loop_is_told_and_the_stream_can_be_used_again(uneven_shards: Path) -> None:
    one = tens(
        uneven_shards, parts={"image": stream.ImageSpec(size=8)}, workers=2, backend="processes"
    )
    batches = iter(one)
    next(batches)
    one.close()
    with pytest.raises(stream.WorkerLostError, match=r"closed|gone"):
        list(batches)
    assert len(keys(one)) == 30
    for child in multiprocessing.active_children():
        child.kill()
    with pytest.raises(stream.WorkerLostError):
        keys(one)
    assert len(keys(one)) == 30
    one.close()


@pytest.mark.parametrize("threads", [0, 1, 3])
@pytest.mark.parametrize("world", [1, 2, 3])
def test_global_batches_are_the_same_for_any_ranks_and_threads(
    mixed_shards: Path, threads: int, world: int
) -> None:
    def batches(world: int, threads: int) -> list[dict[str, bytes]]:
        found: list[dict[str, bytes]] = []
        for rank in range(world):
            for number, batch in enumerate(
                stream.open(
                    mixed_shards,
                    batch_size=6,
                    seed=3,
                    parts=MIXED_PARTS,
                    workers=threads,
                    rank=rank,
                    world=world,
                )
            ):
                if number == len(found):
                    found.append({})
                for row, key in enumerate(batch.keys):
                    if key:
                        found[number][key] = b"".join(
                            batch.parts[name][row].numpy().tobytes() for name in batch.names
                        )
        return found

    assert batches(world, threads) == batches(1, 1)


@settings(max_examples=20, deadline=None)
@given(stop=st.integers(0, 9), ranks=st.integers(1, 3))
def test_resuming_anywhere_with_other_ranks_gives_the_rest_of_the_epoch(
    vqa_shards: Path, stop: int, ranks: int
) -> None:
    def keys(some: stream.Stream) -> list[list[str]]:
        return [batch.keys for batch in some]

    whole = stream.open(
        vqa_shards, batch_size=2, seed=5, parts={"question": stream.TextSpec()}, workers=2
    )
    wanted = keys(whole)
    first = stream.open(
        vqa_shards, batch_size=2, seed=5, parts={"question": stream.TextSpec()}, workers=1
    )
    seen = [batch.keys for _, batch in zip(range(stop), first, strict=False)]
    state = json.loads(json.dumps(first.state_dict()))
    rest: list[list[str]] = []
    for rank in range(ranks):
        again = stream.open(
            vqa_shards,
            batch_size=2,
            seed=5,
            parts={"question": stream.TextSpec()},
            workers=3,
            rank=rank,
            world=ranks,
        )
        again.load_state_dict(state)
        for number, batch in enumerate(keys(again)):
            if number == len(rest):
                rest.append([])
            rest[number] += [key for key in batch if key]
    assert seen + rest == wanted


def test_the_first_batch_comes_without_pandas(vqa_shards: Path) -> None:
    """pyarrow's conversions import it wherever it is installed, which costs a third of a second."""
    code = (
        "import sys; from modalmill.stages import stream; batch ="
        " next(iter(stream.open(sys.argv[1]))); batch.keys; print('pandas' in sys.modules)"
    )
    assert importlib.util.find_spec("pandas") is not None
    done = subprocess.run(
        [sys.executable, "-c", code, str(vqa_shards)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"
