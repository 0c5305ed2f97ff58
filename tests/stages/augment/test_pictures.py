"""Copies with changed pictures: what is drawn, what is left alone, and what would not be true."""

from __future__ import annotations

import collections
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from modalmill.schemas.json_value import JsonValue
from modalmill.schemas.manifest import read_manifest, table_to_records
from modalmill.schemas.record import Origin, Part, Record
from modalmill.stages.augment._pictures import PictureCopies
from modalmill.stages.augment.affine import Affine
from modalmill.stages.augment.blur import Blur
from modalmill.stages.augment.color import Color
from modalmill.stages.augment.crop import Crop
from modalmill.stages.augment.erase import Erase
from modalmill.stages.augment.grain import Grain
from modalmill.stages.augment.jpeg import Jpeg
from modalmill.stages.base import Addressed, make
from modalmill.stages.media import image
from modalmill.stages.media.steps import apply_to_pixels
from tiny import jpeg, mp4, write

EACH = [Affine, Blur, Color, Crop, Erase, Grain, Jpeg]


def record(text: str = "", split: str | None = "train", **targets: JsonValue) -> Record:
    parts = {
        "image": Part("image", uri="a.jpg"),
        "film": Part("video", uri="a.mp4"),
        "sound": Part("audio", uri="a.wav"),
        "caption": Part("text", text=text),
    }
    return Record("k", "k", Origin("s", "f"), parts, targets, split)


def copies(stage: PictureCopies, of: Record, seed: int = 0) -> list[Record]:
    original, *others = (row.record for row in stage.process(of, seed, stage.address))
    assert original == of
    return others


@pytest.mark.parametrize("cls", EACH)
def test_all_pictures_of_a_copy_are_changed_alike_and_nothing_else_is(
    cls: type[PictureCopies],
) -> None:
    stage = cls(copies=3)
    made = copies(stage, record("a dog"))
    word = stage.address.rpartition(".")[2]
    assert [copy.key for copy in made] == [f"k-{word}{number}" for number in (1, 2, 3)]
    assert {copy.group for copy in made} == {"k"}
    for copy in made:
        assert copy.parts["image"].steps == copy.parts["film"].steps != ()
        assert copy.parts["sound"] == record().parts["sound"]
        assert copy.parts["caption"].text == "a dog"
    assert len({str(copy.parts["image"].steps) for copy in made}) == 3
    assert copies(stage, record("a dog")) == made
    assert copies(stage, record("a dog"), seed=1) != made
    assert copies(stage, record(split="test")) == []
    bare = Record("k", "k", Origin("s", "f"), {"caption": Part("text", text="a dog")})
    assert copies(stage, bare) == []


@pytest.mark.parametrize(
    ("stage", "said", "spoiled"),
    [
        (Affine(), "How many dogs?", True),
        (Affine(), "the dog on the left", False),
        (Affine(degrees=(-90, 90)), "the dog on the left", True),
        (Crop(), "the upper shelf", True),
        (Crop(), "a shelf", False),
        (Erase(), "the number of birds", True),
        (Color(), "What color is the bus?", False),
        (Color(hue=(0, 90)), "What color is the bus?", True),
        (Color(gray=0.5), "a red bus", True),
        (Color(saturation=(0, 1)), "a red bus", True),
        (Color(gray=0.5), "a bus was hired", False),
        (Blur(), "How many red dogs are on the left?", False),
        (Grain(), "How many red dogs are on the left?", False),
        (Jpeg(), "How many red dogs are on the left?", False),
    ],
)
def test_no_copy_says_what_its_change_may_make_untrue(
    stage: PictureCopies, said: str, spoiled: bool
) -> None:
    for of in (record(said), record(answers=["a", said])):
        assert bool(copies(stage, of)) != spoiled
        assert bool(stage.remark(of)) == spoiled
    without = type(stage)(**{**vars(stage), "only_true": False})
    assert copies(without, record(said))


@pytest.mark.parametrize("box", [[0.1, 2, 30, 4], [[1, 2, 3, 4], [1, 2, 3, 4]]])
def test_boxes_do_not_move_with_a_picture_and_so_there_is_no_copy(box: JsonValue) -> None:
    assert copies(Affine(), record(box=box)) == copies(Crop(), record(box=box)) == []
    assert "box" in Affine().remark(record(box=box))
    assert copies(Color(), record(box=box))
    assert copies(Affine(), record(grades=[1.0, 2.0], name=["a", "b", "c", "d"]))


BOUNDS = st.tuples(st.floats(0.01, 1), st.floats(0.01, 1)).map(sorted).map(tuple)


@given(area=BOUNDS, aspect=st.floats(1, 5), seed=st.integers(0, 10_000))
def test_crops_and_holes_have_the_area_and_the_aspect_that_were_asked_for(
    area: Any, aspect: float, seed: int
) -> None:
    for cls in (Crop, Erase):
        (copy,) = copies(cls(area=area, aspect=aspect), record(), seed)
        (step,) = copy.parts["image"].steps
        width, height = step.options["width"], step.options["height"]
        assert area[0] - 0.001 <= width * height <= area[1] + 0.001
        assert 1 / aspect * 0.98 <= width / height <= aspect * 1.02
        assert step.options["left"] + width <= 1.0002
        assert step.options["top"] + height <= 1.0002


@given(st.integers(0, 10_000))
def test_what_is_drawn_lies_within_its_bounds(seed: int) -> None:
    (copy,) = copies(Affine(degrees=(5, 9), scale=(0.8, 0.9), shift=0.01), record(), seed)
    options = copy.parts["image"].steps[0].options
    assert 5 <= options["degrees"] <= 9
    assert 0.8 <= options["scale"] <= 0.9
    assert options["shear"] == 0
    assert max(abs(options["right"]), abs(options["down"])) <= 0.01
    (copy,) = copies(Jpeg(quality=(7, 9)), record(), seed)
    assert copy.parts["image"].steps[0].options["quality"] in (7, 8, 9)


def test_as_many_copies_are_grey_as_was_asked_for() -> None:
    made = copies(Color(gray=0.25, copies=2000), record("a dog"))
    counts = collections.Counter(copy.parts["image"].steps[0].op for copy in made)
    # a share of 2,000 draws is known to 0.01
    assert counts["saturation"] / 2000 == pytest.approx(0.25, abs=0.04)


@pytest.mark.parametrize(
    ("address", "options", "line"),
    [
        (
            "affine",
            {"degrees": [10, -10]},
            "degrees: wanted the lowest, then the highest, within -180 and 180",
        ),
        ("affine", {"shift": 1}, "shift: wanted a share"),
        ("blur", {"sigma": [0, 3]}, "sigma: wanted the lowest, then the highest, within 0 and 0.5"),
        ("color", {"gray": 2}, "gray: wanted a likelihood"),
        ("color", {"hues": [0, 1]}, "did you mean 'hue'"),
        ("crop", {"area": [0, 1]}, "area: wanted the lowest, then the highest"),
        ("erase", {"aspect": 0.5}, "aspect: wanted the lowest, then the highest"),
        ("grain", {"deviation": [5, 2]}, "deviation: wanted the lowest, then the highest"),
        (
            "jpeg",
            {"quality": [0, 50]},
            "the lowest, then the highest, within 1 and 100",
        ),
        ("jpeg", {"copies": 0}, "copies: wanted 1 or more"),
    ],
)
def test_what_cannot_be_meant_is_told(address: str, options: Any, line: str) -> None:
    _, problems = make(f"augment.{address}", Addressed, options, "here")
    assert line in " ".join(problems)


def test_shards_hold_the_pictures_as_the_steps_change_them(
    tmp_path: Path, run_recipe: Callable[..., Any]
) -> None:
    write(tmp_path / "raw" / "0.jpg", jpeg(200, 260, quality=95))
    write(tmp_path / "raw" / "0.mp4", mp4(frames=8, sound=False))
    write(tmp_path / "raw" / "t.csv", "id,text\n0,a dog\n")
    names = [cls.address for cls in (Affine, Color, Grain, Crop)]
    result = run_recipe(
        {
            "name": "a",
            "data": str(tmp_path / "raw"),
            "sources": {
                "s": {
                    "type": "csv",
                    "path": "t.csv",
                    "id": "{id}",
                    "text": {"text": "text"},
                    "media": {"image": {"path": "{id}.jpg"}, "film": {"path": "{id}.mp4"}},
                }
            },
            "stages": [{"align.split": {"shares": {"train": 1.0}}}, *names],
            "shard": {"jpeg_quality": 95},
        }
    )
    # each stage copies what the one before it made as well
    assert sum(shard.records for shard in result.shards.shards) == 2 ** len(names)
    members: dict[str, bytes] = {}
    for path in (tmp_path / "out" / "shards").rglob("*.tar"):
        with tarfile.open(path) as tar:
            for name in tar.getnames():
                file = tar.extractfile(name)
                assert file is not None
                members[name] = file.read()
    plain = image.decode(jpeg(200, 260, quality=95))
    for copy in table_to_records(read_manifest(tmp_path / "out")):
        steps = copy.parts["image"].steps
        (member,) = [
            name for name in members if name.split(".")[0] == copy.key and name.endswith("jpg")
        ]
        wanted = apply_to_pixels(plain, steps)
        found = image.decode(members[member])
        assert found.shape == wanted.shape
        # JPEG keeps random values least of all; 30 and 15 dB below full scale
        most = 255**2 / (10**1.5 if any(step.op == "grain" for step in steps) else 10**3)
        assert np.square(found - wanted.astype(float)).mean() < most
