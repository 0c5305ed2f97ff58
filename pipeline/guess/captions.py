"""COCO captions: a json and the folder of its images, known by what stands in the file."""

from __future__ import annotations

import itertools
import posixpath
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import ijson

from ...stages.ingest._json import items
from .vqa import few_json

_LOOKED_AT = 2000


@dataclass(frozen=True, slots=True)
class CaptionSet:
    """A json of captions. images: their folder. with_image: how many of the first ``looked_at``
    images are there. has_splits: each image says its split.
    """

    captions: str
    images: str
    with_image: int
    looked_at: int
    has_splits: bool


def find_captions(root: Path, files: Sequence[str]) -> tuple[list[CaptionSet], dict[str, str]]:
    """The sets of COCO captions below a folder; and the files of COCO that are none, with why."""
    sets: list[CaptionSet] = []
    lone: dict[str, str] = {}
    folders: dict[str, set[str]] = defaultdict(set)
    for file in files:
        folders[posixpath.basename(file)].add(posixpath.dirname(file))
    for file in few_json(files):
        images = _first(root / file, "images", _LOOKED_AT)
        if not images or not all("file_name" in entry or "filename" in entry for entry in images):
            continue
        of_karpathy = "sentences" in images[0]
        annotations = [] if of_karpathy else _first(root / file, "annotations", 1)
        if not of_karpathy and not any("caption" in entry for entry in annotations):
            lone[file] = "annotations of COCO without captions (boxes, masks, points): not read"
            continue
        names = [posixpath.basename(str(_name(entry))) for entry in images]
        votes = Counter(folder for name in names for folder in folders.get(name, ()))
        if not votes:
            lone[file] = "captions of COCO, and none of their images is here"
            continue
        folder, found = max(votes.items(), key=lambda item: (item[1], item[0]))
        has_splits = of_karpathy and "split" in images[0]
        sets.append(CaptionSet(file, folder, found, len(images), has_splits))
    return sets, lone


def _name(image: Mapping[str, object]) -> object:
    return image.get("file_name", image.get("filename"))


def _first(path: Path, array: str, count: int) -> list[Mapping[str, object]]:
    """The first objects of an array of a json; nothing where there is no such array."""
    try:
        with open(path, "rb") as data:
            entries = itertools.islice(items(data, f"{array}.item"), count)
            return [entry for entry in entries if isinstance(entry, dict)]
    except (OSError, ijson.JSONError, UnicodeDecodeError):
        return []
