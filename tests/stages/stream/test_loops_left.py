"""A loop that is left early, by whatever reads the stream, never mixes epochs up."""

from __future__ import annotations

import multiprocessing
import os
import textwrap
from pathlib import Path
from subprocess import run
from sys import executable
from typing import Any

import pytest
from modalmill.stages import stream
from torch.utils.data import DataLoader


def opened(shards: Path, **options: Any) -> stream.Stream:
    return stream.open(
        shards,
        **{
            "parts": {"image": stream.BytesSpec()},
            "batch_size": 10,
            "seed": 3,
            "drop_last": False,
            **options,
        },
    )


def keys(batches: Any) -> list[list[str]]:
    return [batch.keys for batch in batches]


def epochs(shards: Path, count: int) -> list[list[list[str]]]:
    one = opened(shards)
    return [keys(one) for _ in range(count)]


def test_the_next_loop_is_a_whole_epoch_and_another_one(uneven_shards: Path) -> None:
    whole = epochs(uneven_shards, 4)
    one = opened(uneven_shards)
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
    one = opened(uneven_shards, shuffle=False)
    whole = keys(opened(uneven_shards, shuffle=False))
    for _ in range(2):
        next(iter(one))
    assert keys(one) == whole


@pytest.mark.parametrize("persistent", [False, True])
def test_workers_of_a_dataloader_agree_on_the_epoch(uneven_shards: Path, persistent: bool) -> None:
    whole = epochs(uneven_shards, 3)
    one = opened(uneven_shards)
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
    one = stream.OnDevice(opened(uneven_shards), "cpu")
    for batch in one:
        assert batch.keys == whole[0][0]
        break
    assert one.state_dict()["records_done"] == 10
    assert keys(one) == whole[1]
    next(iter(one))
    one.set_epoch(5)
    assert (one.state_dict()["epoch"], one.state_dict()["records_done"]) == (5, 0)


RANKS = textwrap.dedent(
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
    (tmp_path / "ranks.py").write_text(RANKS)
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
    one = opened(
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
