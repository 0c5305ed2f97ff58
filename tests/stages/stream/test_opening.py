"""What cannot be meant is one clear error before anything is read; what goes wrong later says
where.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from modalmill.schemas.errors import InputError
from modalmill.stages import stream
from streams import tar
from tiny import mp4


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"batch_size": "64"}, "batch_size: wanted a whole number, found '64'"),
        ({"batch_size": 6.0}, "batch_size: wanted a whole number, found 6.0"),
        ({"batch_size": True}, "batch_size: wanted a whole number, found True"),
        ({"batch_size": 0}, "batch_size: wanted at least 1, found 0"),
        ({"seed": "a"}, "seed: wanted a whole number"),
        ({"workers": -1}, "workers: wanted at least 0"),
        (
            {"backend": "thread"},
            "backend: wanted threads, processes or auto, found 'thread'; did you mean 'threads'",
        ),
        (
            {"on_damage": "ignore"},
            "on_damage: wanted raise, absent, skip or replace, found 'ignore'",
        ),
        ({"verify": None}, "verify: wanted first, always or never, found None"),
        ({"keys": "dot"}, "keys: wanted auto, first_dot or last_dot"),
        ({"shuffle": "yes"}, "shuffle: wanted True, False or Blocks"),
        ({"where": " "}, "where: wanted a condition"),
        ({"where": 3}, "where: wanted a condition"),
        ({"parts": "image"}, "parts: wanted a mapping from names to specs, or a list of names"),
        ({"parts": {"image": "image"}}, "parts: image: wanted a spec, as ImageSpec"),
        ({"parts": {"image": stream.ImageSpec}}, r"found the class ImageSpec; write ImageSpec\(\)"),
        ({"parts": ["imgae"]}, "no part is called 'imgae'; did you mean 'image'"),
        ({"split": "trian"}, "no shards of split 'trian'"),
        ({"rank": 4, "world": 2}, "rank 4 of 2"),
        ({"weights": [1, 2]}, "weights: wanted 1"),
    ],
)
def test_options_that_cannot_be_meant(vqa_shards: Path, options: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError, match=told):
        list(stream.open(vqa_shards, **options))


@pytest.mark.parametrize("shards", [None, 3, [], [3], {"a": 1}])
def test_shards_that_are_none(shards: Any) -> None:
    with pytest.raises(InputError, match="shards: wanted a folder"):
        stream.open(shards)


@pytest.mark.parametrize(
    ("spec", "options", "told"),
    [
        (stream.ImageSpec, {"size": 0}, "ImageSpec: size: wanted at least 1, found 0"),
        (stream.ImageSpec, {"crop": "centre"}, "did you mean 'center'"),
        (stream.ImageSpec, {"normalize": "imagenet"}, "IMAGENET_MEAN, IMAGENET_STD"),
        (stream.ImageSpec, {"normalize": ((0.5,), (0.5,))}, "mean and deviation of three channels"),
        (stream.ImageSpec, {"transform": "flip"}, "transform: wanted a function"),
        (stream.AudioSpec, {"seconds": -1}, "AudioSpec: seconds: wanted a number above 0"),
        (stream.AudioSpec, {"rate_hz": 16_000.5}, "rate_hz: wanted a whole number"),
        (stream.VideoSpec, {"frames": 0}, "VideoSpec: frames: wanted at least 1"),
        (stream.TextSpec, {"vocabulary": ["a"]}, "wanted a mapping from words to ids, found list"),
        (stream.TextSpec, {"vocabulary": {"a": 2}, "tokenize": str.split}, "found both"),
    ],
)
def test_specs_that_cannot_be_meant(spec: Any, options: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError, match=told):
        spec(**options)


@pytest.mark.parametrize(
    ("transform", "told"),
    [
        (lambda pixels, _: None, "gave NoneType, wanted an array uint8"),
        (lambda pixels, _: pixels[..., 0], r"gave uint8 \[48, 64\], wanted uint8 \[any, any, 3\]"),
        (lambda pixels, _: pixels / 255, "gave float64"),
        (lambda pixels: pixels, "takes 1 positional argument"),
        (lambda pixels, _: 1 // 0, "ZeroDivisionError"),
    ],
)
@pytest.mark.parametrize("backend", ["threads", "processes"])
def test_a_transform_that_goes_wrong_is_told_with_its_record(
    vqa_shards: Path, backend: Any, transform: Any, told: str
) -> None:
    parts = {"image": stream.ImageSpec(size=16, transform=transform)}
    with (
        stream.open(
            vqa_shards, parts=parts, batch_size=4, workers=2, backend=backend, on_damage="absent"
        ) as one,
        pytest.raises(stream.TransformError, match=rf"tar: record \S+, part image: .*{told}"),
    ):
        list(one)


def test_a_film_of_too_few_frames_is_not_filled_up_with_old_ones() -> None:
    spec = stream.VideoSpec(frames=4, size=16, transform=lambda frames, _: frames[:2])
    with pytest.raises(TypeError, match=r"gave uint8 \[2, .*wanted uint8 \[4, any, any, 3\]"):
        spec.fill(mp4(), np.zeros((4, 16, 16, 3), np.uint8))


@pytest.mark.parametrize(
    "change",
    [
        {"records_done": "x"},
        {"records_done": -5},
        {"records_done": 10**9},
        {"epoch": None},
        {"seed": 5},
        {"data": "other"},
        {"version": 3},
    ],
)
def test_states_that_are_none(vqa_shards: Path, change: dict[str, Any]) -> None:
    one = stream.open(vqa_shards)
    before = json.dumps(one.state_dict())
    with pytest.raises(
        InputError, match=next(iter(change)) if "data" not in change else "other data"
    ):
        one.load_state_dict({**one.state_dict(), **change})
    for nothing in ({}, None, [], {"version": 1}):
        with pytest.raises(InputError, match="wanted a state"):
            one.load_state_dict(nothing)  # type: ignore[arg-type]
    assert json.dumps(one.state_dict()) == before


def test_two_loops_over_one_stream_do_not_share_its_place(vqa_shards: Path) -> None:
    one = stream.open(vqa_shards, batch_size=4)
    whole = [batch.keys for batch in stream.open(vqa_shards, batch_size=4)]
    first, second = iter(one), iter(one)
    assert next(first).keys == whole[0]
    taken = [next(second).keys]
    with pytest.raises(InputError, match="this loop is over"):
        next(first)
    taken += [batch.keys for batch in second]
    # a whole epoch, the next one
    assert sorted(key for keys in taken for key in keys) == sorted(
        key for keys in whole for key in keys
    )
    assert taken != whole


def test_tars_without_samples_are_told(tmp_path: Path) -> None:
    tar(tmp_path / "a.tar", [])
    with pytest.raises(InputError, match="no samples in these tars"):
        stream.open(tmp_path / "a.tar")


def test_json_too_deep_to_be_read_is_damage(tmp_path: Path) -> None:
    tar(tmp_path / "a.tar", [("a.json", b"[" * 100_000), ("b.json", b'{"n": 1}')])
    batch = next(iter(stream.open(tmp_path / "a.tar", shuffle=False, on_damage="absent")))
    assert batch.lists["json"] == [None, {"n": 1}]


def test_damage_does_not_flood_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    tar(
        tmp_path / "a.tar",
        [(f"{number:03d}.jpg", b"\xff\xd8\xff no picture") for number in range(100)],
    )
    one = stream.open(tmp_path / "a.tar", on_damage="absent", damage_budget=100, drop_last=False)
    list(one)
    assert one.damaged == 100
    assert len(caplog.records) == 20
    assert caplog.records[-1].getMessage().endswith("told no more")


def test_the_budget_of_damage_is_that_of_an_epoch(tmp_path: Path) -> None:
    tar(
        tmp_path / "a.tar",
        [(f"{number:03d}.jpg", b"\xff\xd8\xff no picture") for number in range(4)],
    )
    one = stream.open(tmp_path / "a.tar", on_damage="absent", damage_budget=4, drop_last=False)
    for _ in range(3):
        list(one)
    assert one.damaged == 12


def test_a_mask_of_what_has_no_length(vqa_shards: Path) -> None:
    batch = next(
        iter(
            stream.open(
                vqa_shards,
                parts={
                    "image": stream.ImageSpec(size=8),
                    "question": stream.TextSpec(vocabulary={"what": 2}),
                },
            )
        )
    )
    assert batch.mask("question").dtype == torch.bool
    with pytest.raises(InputError, match="'image' has no lengths; known are: question"):
        batch.mask("image")


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is here")
def test_a_device_that_is_not_there(vqa_shards: Path) -> None:
    with pytest.raises(InputError, match="no GPU here"):
        stream.OnDevice(stream.open(vqa_shards), "cuda")


def test_mistakes_are_told_in_one_line(vqa_shards: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no shards of split 'trian'"):
        stream.open(vqa_shards, "trian")
    with pytest.raises(InputError, match="did you mean 'image'"):
        stream.open(vqa_shards, parts={"imge": stream.ImageSpec()})
    with pytest.raises(InputError, match="question is text"):
        stream.open(vqa_shards, parts={"question": stream.ImageSpec()})
    with pytest.raises(InputError, match="no shards.json here"):
        stream.open(tmp_path)
