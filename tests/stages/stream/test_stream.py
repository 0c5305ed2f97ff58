"""The stream is exact: every key once, the same global batches for any number of ranks and threads,
resumed anywhere.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from modalmill.pipeline.run import Result
from modalmill.schemas.errors import InputError, IntegrityError
from modalmill.stages import stream
from modalmill.stages.modalities.text.words import build_vocabulary
from modalmill.stages.stream.order.batches import batch_count, rank_slice
from modalmill.stages.stream.order.order import PAD
from modalmill.stages.stream.order.permutation import Shuffled
from tiny import mp4, recipe, vqa_corpus, wav, write


@given(st.integers(1, 200), st.integers(1, 64), st.integers(1, 7), st.booleans(), st.integers(0, 5))
def test_the_ranks_share_every_global_batch_and_take_the_same_number_of_steps(
    count: int, batch_size: int, world: int, drop_last: bool, epoch: int
) -> None:
    order = Shuffled(count, 7).records(epoch, 0, count)
    seen = []
    for batch in range(batch_count(count, batch_size, drop_last)):
        whole = order[batch * batch_size : (batch + 1) * batch_size]
        slices = [rank_slice(whole, batch_size, rank, world) for rank in range(world)]
        assert len({len(some) for some in slices}) == 1
        together = [record for some in slices for record in some.tolist() if record != PAD]
        assert together == whole.tolist()
        seen += together
    assert len(set(seen)) == len(seen)
    if not drop_last:
        assert sorted(seen) == list(range(count))


@pytest.fixture
def shards(tmp_path: Path, run_recipe: Callable[..., Result]) -> Path:
    for name in "abc":
        write(tmp_path / "clips" / f"{name}.mp4", mp4(sound=name != "c"))
        write(tmp_path / "sounds" / f"{name}.wav", wav(rate_hz=16_000))
    sources = {
        "vqa": vqa_corpus(tmp_path, images=7, per_image=2),
        "clips": {"type": "video_folder", "path": "clips", "sound": "voice"},
        "sounds": {"type": "audio_folder", "path": "sounds", "targets": {"label": "{stem}"}},
    }
    run_recipe(recipe(tmp_path, sources, shard={"shard_bytes": 20_000}))
    return tmp_path / "out" / "shards"


PARTS = {
    "image": stream.ImageSpec(size=32, crop="random", flip=True),
    "question": stream.TextSpec(length=6, vocabulary={"what": 2, "is": 3}),
    "voice": stream.AudioSpec(rate_hz=8000, seconds=0.5),
    "video": stream.VideoSpec(frames=4, size=32),
}


def test_presence_is_what_the_records_have_and_absent_rows_are_zero(shards: Path) -> None:
    seen = 0
    for batch in stream.open(shards, batch_size=4, parts=PARTS, shuffle=True, drop_last=False):
        for row, key in enumerate(batch.keys):
            seen += 1
            present = dict(zip(batch.names, batch.present_BM[row].tolist(), strict=True))
            source = key.partition("-")[0]
            assert present == {
                "image": source == "vqa",
                "question": source == "vqa",
                "voice": source == "clips" and key != "clips-c",
                "video": source == "clips",
            }
            for name, here in present.items():
                assert bool(batch.parts[name][row].any()) == here
    assert seen == 14 + 3 + 3


@pytest.mark.parametrize("threads", [0, 1, 3])
@pytest.mark.parametrize("world", [1, 2, 3])
def test_global_batches_are_the_same_for_any_ranks_and_threads(
    shards: Path, threads: int, world: int
) -> None:
    def batches(world: int, threads: int) -> list[dict[str, bytes]]:
        found: list[dict[str, bytes]] = []
        for rank in range(world):
            for number, batch in enumerate(
                stream.open(
                    shards,
                    batch_size=6,
                    seed=3,
                    parts=PARTS,
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
    shards_once: Path, stop: int, ranks: int
) -> None:
    def keys(some: stream.Stream) -> list[list[str]]:
        return [batch.keys for batch in some]

    whole = stream.open(
        shards_once, batch_size=2, seed=5, parts={"question": stream.TextSpec()}, workers=2
    )
    wanted = keys(whole)
    first = stream.open(
        shards_once, batch_size=2, seed=5, parts={"question": stream.TextSpec()}, workers=1
    )
    seen = [batch.keys for _, batch in zip(range(stop), first, strict=False)]
    state = json.loads(json.dumps(first.state_dict()))
    rest: list[list[str]] = []
    for rank in range(ranks):
        again = stream.open(
            shards_once,
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


@pytest.fixture(scope="module")
def shards_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from modalmill.pipeline.plan import make_plan
    from modalmill.pipeline.run import run
    from modalmill.schemas.recipe import parse_recipe

    root = tmp_path_factory.mktemp("once")
    run(
        make_plan(
            parse_recipe(recipe(root, {"vqa": vqa_corpus(root, images=10, per_image=2)})), root
        ),
        root / "out",
        "serial",
    )
    return root / "out" / "shards"


def test_batches_that_are_kept_are_never_written_over(shards_once: Path) -> None:
    some = stream.open(
        shards_once, batch_size=2, parts={"image": stream.ImageSpec(size=16)}, workers=2
    )
    kept = [(batch, batch.parts["image"].clone()) for _ in range(3) for batch in some]
    assert all(torch.equal(batch.parts["image"], copy) for batch, copy in kept)


def test_buffers_that_are_let_go_are_used_again(shards_once: Path) -> None:
    some = stream.open(
        shards_once, batch_size=2, parts={"image": stream.ImageSpec(size=16)}, workers=2
    )
    first = {batch.parts["image"].data_ptr() for _ in range(3) for batch in some}
    later = {batch.parts["image"].data_ptr() for _ in range(9) for batch in some}
    assert later <= first


def test_an_image_is_the_one_that_was_stored(shards_once: Path) -> None:
    from modalmill.stages.media import image
    from tiny import jpeg

    batch = next(
        iter(
            stream.open(
                shards_once,
                batch_size=1,
                parts={"image": stream.ImageSpec(size=48, crop="center")},
                shuffle=False,
            )
        )
    )
    number = int(batch.keys[0].partition("-")[2]) // 1000
    wanted = image.resize_crop(image.decode(jpeg(seed=number)), 48)
    assert np.array_equal(batch.parts["image"][0].numpy(), wanted)


def test_a_damaged_record_raises_or_counts_as_asked(shards_once: Path, tmp_path: Path) -> None:
    import shutil

    folder = tmp_path / "shards"
    shutil.copytree(shards_once, folder)
    from modalmill.schemas.disk import read_table

    row = read_table(folder / "all-000000.arrow").to_pylist()[0]
    path = folder / "all-000000.tar"
    data = bytearray(path.read_bytes())
    place = row["media"][0]["offset"]
    data[place : place + 400] = b"\0" * 400
    path.write_bytes(bytes(data))
    with pytest.raises(IntegrityError, match=row["key"]):
        list(
            stream.open(
                folder, batch_size=4, parts={"image": stream.ImageSpec(size=16)}, shuffle=False
            )
        )
    tolerant = stream.open(
        folder,
        batch_size=4,
        parts={"image": stream.ImageSpec(size=16)},
        shuffle=False,
        on_damage="absent",
    )
    absent = [
        key
        for batch in tolerant
        for key, here in zip(batch.keys, batch.present_BM[:, 0].tolist(), strict=True)
        if not here
    ]
    assert len(absent) == tolerant.damaged == 2


def test_mistakes_are_told_in_one_line(shards_once: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no shards of split 'trian'"):
        stream.open(shards_once, "trian")
    with pytest.raises(InputError, match="did you mean 'image'"):
        stream.open(shards_once, parts={"imge": stream.ImageSpec()})
    with pytest.raises(InputError, match="question is text"):
        stream.open(shards_once, parts={"question": stream.ImageSpec()})
    with pytest.raises(InputError, match="no shards.json here"):
        stream.open(tmp_path)


def test_a_vocabulary_is_the_commonest_words_first() -> None:
    assert build_vocabulary(["a b a", None, "b a c?"], most=3) == {"a": 2, "b": 3, "?": 4}


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
