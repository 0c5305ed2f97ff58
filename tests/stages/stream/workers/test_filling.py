"""What is damaged is told, left out or replaced as asked, counted, and never more than the
budget.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from modalmill.schemas.errors import IntegrityError
from modalmill.stages import stream

PARTS = {"image": stream.ImageSpec(size=16), "question": stream.TextSpec()}


@pytest.fixture
def damaged(vqa_shards: Path, tmp_path: Path) -> tuple[Path, list[str]]:
    """The shards with one byte changed in each of two images, and the keys of their four
    questions.
    """
    folder = tmp_path / "shards"
    shutil.copytree(vqa_shards, folder)
    index = stream.open(folder).index
    path = next(folder.glob("*.tar"))
    data = bytearray(path.read_bytes())
    places = sorted({int(offset) for offset in index.spans["image"][:, 0]})[2:4]
    for place in places:
        data[place + 300] ^= 1
    path.write_bytes(data)
    rows = [row for row in range(len(index)) if index.spans["image"][row, 0] in places]
    return folder, index.keys(rows)


def opened(folder: Path, **options: Any) -> stream.Stream:
    return stream.open(folder, parts=PARTS, batch_size=5, drop_last=False, **options)


@pytest.mark.parametrize("workers", [0, 2])
def test_one_changed_byte_is_an_error_that_names_the_record(
    damaged: tuple[Path, list[str]], workers: int
) -> None:
    with pytest.raises(
        IntegrityError,
        match=r"all-000000.tar: record vqa-\d+, part image: its bytes are not those that were "
        r"written",
    ):
        list(opened(damaged[0], workers=workers))


@pytest.mark.parametrize("backend", ["threads", "processes"])
@pytest.mark.parametrize("policy", ["absent", "skip", "replace"])
def test_each_policy_does_what_it_says_and_counts(
    damaged: tuple[Path, list[str]], policy: Any, backend: Any
) -> None:
    folder, bad = damaged
    rows = []
    with opened(folder, on_damage=policy, backend=backend, workers=2, verify="always") as one:
        for batch in one:
            rows += list(
                zip(
                    batch.keys,
                    batch.weight_B.tolist(),
                    batch.present_BM[:, 0].tolist(),
                    batch.lists["question"],
                    strict=True,
                )
            )
        assert one.damaged >= 4
        assert len(rows) == 20
        keys = [key for key, _, _, _ in rows]
        if policy == "absent":
            assert {key for key, _, image, _ in rows if not image} == set(bad)
            assert all(text for _, _, _, text in rows)
        elif policy == "skip":
            assert [row for row in rows if not row[1]] == [("", 0.0, False, None)] * 4
            assert set(bad).isdisjoint(keys)
        else:
            assert all(weight == 1 and image and text for _, weight, image, text in rows)
            assert set(bad).isdisjoint(keys)
            assert len(set(keys)) < 20
            again = opened(folder, on_damage=policy, workers=0)
            assert [key for batch in again for key in batch.keys] == keys


def test_too_much_damage_ends_the_stream(damaged: tuple[Path, list[str]]) -> None:
    with pytest.raises(
        IntegrityError,
        match=r"4 media of this epoch were damaged, more than damage_budget=3; the last: .*record "
        r"vqa-",
    ):
        list(opened(damaged[0], on_damage="skip", damage_budget=3))
    assert (
        sum(len(batch.keys) for batch in opened(damaged[0], on_damage="skip", damage_budget=4))
        == 20
    )


def test_checksums_are_compared_at_first_always_or_never(vqa_shards: Path, tmp_path: Path) -> None:
    folder = tmp_path / "shards"
    shutil.copytree(vqa_shards, folder)
    streams = {
        verify: stream.open(
            folder, parts={"image": stream.BytesSpec()}, drop_last=False, verify=verify
        )
        for verify in ("first", "always", "never")
    }
    for one in streams.values():
        assert len(list(one)) == 1
    path = next(folder.glob("*.tar"))
    data = bytearray(path.read_bytes())
    data[int(streams["first"].index.spans["image"][0, 0]) + 20] ^= 1
    with open(path, "r+b") as file:
        file.write(data)
    assert len(list(streams["first"])) == len(list(streams["never"])) == 1
    with pytest.raises(IntegrityError, match="not those that were written"):
        list(streams["always"])


def test_an_image_is_the_one_that_was_stored(vqa_shards: Path) -> None:
    from modalmill.stages.media import image
    from tiny import jpeg

    batch = next(
        iter(
            stream.open(
                vqa_shards,
                batch_size=1,
                parts={"image": stream.ImageSpec(size=48, crop="center")},
                shuffle=False,
            )
        )
    )
    number = int(batch.keys[0].partition("-")[2]) // 1000
    wanted = image.resize_crop(image.decode(jpeg(seed=number)), 48)
    assert np.array_equal(batch.parts["image"][0].numpy(), wanted)


def test_a_damaged_record_raises_or_counts_as_asked(vqa_shards: Path, tmp_path: Path) -> None:
    import shutil

    folder = tmp_path / "shards"
    shutil.copytree(vqa_shards, folder)
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
