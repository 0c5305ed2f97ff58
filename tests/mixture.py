"""Three sources with dirt in each, the recipe that takes them through every kind of stage, and what
has to come out of it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from modalmill.schemas.fingerprint import hash_file
from tiny import jpeg, mp4, recipe, vqa_corpus, wav, write

STAGES: list[Any] = [
    {"align.require": {"any_of": ["image", "audio", "video"]}},
    {"clean.image": {"min_side": 16}},
    {"clean.audio": {"on_fault": "drop_part"}},
    "clean.video",
    "clean.text",
    "clean.duplicates",
    "align.split",
    {"augment.flip": {"only_split": ""}},
    {"augment.noise": {"only_split": ""}},
]


FEATURES = {
    "image": "features.image",
    "question": {"features.text": {"size": 32}},
    "audio": "features.audio",
    "video": "features.video",
}


def mixed(root: Path, images: int = 8) -> dict[str, Any]:
    """Three sources with dirt in each."""
    vqa = vqa_corpus(root, images=images, per_image=2)
    write(root / "images" / "COCO_tiny2014_000000000002.jpg", jpeg(seed=2)[:-200])
    write(root / "images" / "COCO_tiny2014_000000000003.jpg", b"")
    for number in range(4):
        write(root / "clips" / f"{number}.mp4", mp4(sound=number != 1))
        write(root / "sounds" / f"{number}.wav", wav(300 + 100 * number))
    write(root / "clips" / "4.mp4", mp4()[:700])
    write(root / "sounds" / "4.wav", wav()[:900])
    return {
        "vqa": vqa,
        "clips": {"type": "video_folder", "path": "clips"},
        "sounds": {"type": "audio_folder", "path": "sounds", "targets": {"answer": "{stem}"}},
    }


def full_recipe(root: Path, **more: Any) -> dict[str, Any]:
    return recipe(
        root,
        mixed(root),
        STAGES,
        features=FEATURES,
        shard={"image_short_side": 32, "shard_bytes": 60_000},
        seed=3,
        **more,
    )


def products(out: Path) -> dict[str, str]:
    """Hash of every file that a run promises to make the same, by name."""
    folders = [out / "manifest", out / "shards", out / "features"]
    files = [path for folder in folders for path in sorted(folder.rglob("*")) if path.is_file()]
    return {
        str(path.relative_to(out)): hash_file(path)
        for path in [*files, out / "account.json", out / "rejects.parquet"]
    }
