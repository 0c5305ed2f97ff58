"""Small sets of shards that the tests of the stream share."""

from __future__ import annotations

from pathlib import Path

import pytest
from modalmill.pipeline.plan import make_plan
from modalmill.pipeline.run import run
from modalmill.schemas.recipe import parse_recipe
from tiny import jpeg, mp4, recipe, vqa_corpus, wav, write


def make(root: Path, sources: dict[str, object], **more: object) -> Path:
    run(make_plan(parse_recipe(recipe(root, sources, **more)), root), root / "out", "serial")
    return root / "out" / "shards"


@pytest.fixture(scope="session")
def vqa_shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """20 questions about 10 images of 48 x 64, in one tar."""
    root = tmp_path_factory.mktemp("vqa")
    return make(root, {"vqa": vqa_corpus(root, images=10, per_image=2)})


@pytest.fixture(scope="session")
def uneven_shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """170 images and 130 sounds of .1 to .5 s in four tars of different sizes."""
    root = tmp_path_factory.mktemp("uneven")
    for number in range(170):
        write(root / "images" / f"{number:03d}.jpg", jpeg(seed=number))
        if number < 130:
            write(root / "sounds" / f"{number:03d}.wav", wav(seconds=0.1 + 0.1 * (number % 5)))
    sources = {
        "photos": {"type": "image_folder", "path": "images", "targets": {"label": "{stem}"}},
        "sounds": {"type": "audio_folder", "path": "sounds"},
    }
    stages = [{"clean.image": {"min_side": 1}}, {"clean.audio": {"min_seconds": 0.01}}]
    return make(root, sources, stages=stages, shard={"shard_bytes": 10_000})


@pytest.fixture(scope="session")
def mixed_shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """14 questions about images, three clips, one without sound, and three sounds."""
    root = tmp_path_factory.mktemp("mixed")
    for name in "abc":
        write(root / "clips" / f"{name}.mp4", mp4(sound=name != "c"))
        write(root / "sounds" / f"{name}.wav", wav(rate_hz=16_000))
    sources = {
        "vqa": vqa_corpus(root, images=7, per_image=2),
        "clips": {"type": "video_folder", "path": "clips", "sound": "voice"},
        "sounds": {"type": "audio_folder", "path": "sounds", "targets": {"label": "{stem}"}},
    }
    return make(root, sources, shard={"shard_bytes": 20_000})
