"""What a device does to images is what the decoding worker would have done; the state is that of
the batch in hand.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from modalmill.schemas.errors import InputError
from modalmill.stages import stream
from torch.utils.data import DataLoader

DEVICES = [
    "cpu",
    pytest.param(
        "cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
    ),
]
NORMAL = (stream.IMAGENET_MEAN, stream.IMAGENET_STD)


def opened(shards: Path, spec: stream.ImageSpec, **options: int) -> stream.Stream:
    return stream.open(
        shards,
        parts={"image": spec},
        batch_size=8,
        shuffle=True,
        drop_last=False,
        workers=2,
        **options,
    )


@pytest.mark.parametrize("device", DEVICES)
def test_crop_flip_and_normalisation_equal_those_of_the_workers(
    vqa_shards: Path, device: str
) -> None:
    whole = stream.ImageSpec(size=48, crop="center")
    # a middle square of 48 x 64 is a window of it: the workers are given the same square by a
    # transform
    cut = stream.ImageSpec(
        size=32,
        crop="random",
        flip=True,
        normalize=NORMAL,
        transform=lambda pixels, random: pixels[:, 8:56],
    )
    moved, wanted = (
        stream.OnDevice(opened(vqa_shards, whole), device, crop=32, flip=True, normalize=NORMAL),
        opened(vqa_shards, cut),
    )
    for _epoch in range(2):
        for mine, theirs in zip(moved, wanted, strict=True):
            assert mine.keys == theirs.keys
            assert mine.parts["image"].device.type == device
            torch.testing.assert_close(
                mine.parts["image"].cpu(), theirs.parts["image"], rtol=0, atol=2e-6
            )


@pytest.mark.parametrize("device", DEVICES)
def test_crops_do_not_depend_on_the_number_of_ranks(vqa_shards: Path, device: str) -> None:
    whole = stream.ImageSpec(size=48)
    alone = [
        batch.parts["image"].cpu()
        for batch in stream.OnDevice(opened(vqa_shards, whole), device, crop=16, flip=True)
    ]
    ranks = [
        [
            batch.parts["image"].cpu()
            for batch in stream.OnDevice(
                opened(vqa_shards, whole, rank=rank, world=2), device, crop=16, flip=True
            )
        ]
        for rank in range(2)
    ]
    for one, *halves in zip(alone, *ranks, strict=True):
        together = torch.cat(halves)
        assert torch.equal(together[: len(one)], one)


def test_the_state_is_that_of_the_batch_in_hand(vqa_shards: Path) -> None:
    spec = stream.ImageSpec(size=32)
    moved = stream.OnDevice(opened(vqa_shards, spec), "cpu")
    batches = iter(moved)
    assert len(moved) == 3
    next(batches)
    state = moved.state_dict()
    rest = [batch.keys for batch in batches]
    again = stream.OnDevice(opened(vqa_shards, spec), "cpu")
    again.load_state_dict(state)
    assert [batch.keys for batch in again] == rest
    again.set_epoch(0)
    loader = stream.OnDevice(
        DataLoader(opened(vqa_shards, spec), batch_size=None, num_workers=2), "cpu"
    )
    loader.load_state_dict(state)
    assert [batch.keys for batch in loader] == rest


def test_videos_and_other_parts_are_normalised_or_left(vqa_shards: Path) -> None:
    parts = {
        "image": stream.ImageSpec(size=8),
        "question": stream.TextSpec(length=4, vocabulary={"what": 2}),
    }
    one = next(
        iter(
            stream.OnDevice(
                stream.open(vqa_shards, parts=parts, batch_size=4),
                "cpu",
                normalize=([0.5] * 3, [0.5] * 3),
                dtype=torch.bfloat16,
            )
        )
    )
    assert one.parts["image"].dtype == torch.bfloat16
    assert one.parts["image"].shape == (4, 3, 8, 8)
    assert one.parts["image"].is_contiguous(memory_format=torch.channels_last)
    assert one.parts["question"].dtype == torch.int64
    assert float(one.parts["image"].abs().max()) <= 1.01


def test_what_it_cannot_do_is_told(vqa_shards: Path) -> None:
    with pytest.raises(InputError, match="crop=99, but the images are 16 x 16"):
        next(iter(stream.OnDevice(opened(vqa_shards, stream.ImageSpec(size=16)), "cpu", crop=99)))
    with pytest.raises(InputError, match="wanted batches of a Stream"):
        stream.OnDevice([], "cpu").state_dict()
