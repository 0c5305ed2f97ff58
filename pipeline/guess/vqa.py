"""COCO VQA: questions, annotations and pictures that belong together, known by what stands in the
files.
"""

from __future__ import annotations

import itertools
import posixpath
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import ijson

from ...stages.ingest._json import items

_MOST_EVENTS = 100_000
_MOST_OBJECTS = 2000
_MOST_OF_A_FOLDER = 20
_IMAGE = re.compile(r"(?:COCO_[A-Za-z0-9-]+_)?(\d{12})\.(?:jpg|jpeg|png)", re.IGNORECASE)
_SUBSET = re.compile(r"(train|val|test|minival)[-\w]*?\d{4}", re.IGNORECASE)
_WANTED = {
    "questions": {"question_id", "image_id", "question"},
    "annotations": {"question_id", "answers"},
}


@dataclass(frozen=True, slots=True)
class VqaSet:
    """The files of one set.

    annotations: empty where there are none. images: their folder. subset: ``train2014``, as far as
    it is known. with_image: how many of the first ``looked_at`` questions have their picture.
    pictures: id of each of those questions -> that of its picture.
    """

    questions: str
    annotations: str
    images: str
    subset: str
    with_image: int
    looked_at: int
    pictures: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Array:
    """The array of a file: its first objects."""

    subset: str
    objects: tuple[Mapping[str, object], ...]

    def ids(self) -> frozenset[str]:
        return frozenset(str(entry.get("question_id")) for entry in self.objects)


def find_vqa(root: Path, files: Sequence[str]) -> tuple[list[VqaSet], dict[str, str]]:
    """The sets of COCO VQA below a folder; and those of its files that make no set, with why."""
    questions: dict[str, _Array] = {}
    annotations: dict[str, _Array] = {}
    for file in few_json(files):
        kind = _kind(root / file)
        if kind:
            found = questions if kind == "questions" else annotations
            found[file] = _read(root / file, kind)
    folders = _image_folders(files)
    sets, lone = [], {}
    for file, array in questions.items():
        images = Counter(
            folder
            for entry in array.objects
            for folder in folders.get(_number(entry.get("image_id")), ())
        )
        if not images:
            lone[file] = "questions of COCO VQA, and none of their pictures is here"
            continue
        folder = max(images, key=lambda name: (images[name], name))
        sets.append(
            VqaSet(
                file,
                _partner(array, annotations),
                folder,
                array.subset,
                images[folder],
                len(array.objects),
                {
                    str(entry.get("question_id")): str(entry.get("image_id"))
                    for entry in array.objects
                },
            )
        )
    taken = {entry.annotations for entry in sets}
    lone |= {
        file: "annotations of COCO VQA, and their questions are not here"
        for file in annotations
        if file not in taken
    }
    return sets, lone


def few_json(files: Iterable[str]) -> list[str]:
    """The json files of folders that do not hold one for each of many records."""
    names = [file for file in files if file.lower().endswith(".json")]
    often = Counter(map(posixpath.dirname, names))
    return [file for file in names if often[posixpath.dirname(file)] <= _MOST_OF_A_FOLDER]


def _kind(path: Path) -> str:
    """Which of the two arrays a file holds, by the keys of its first object; empty for neither."""
    try:
        with open(path, "rb") as data:
            if data.read(64).lstrip(b"\xef\xbb\xbf \t\r\n")[:1] != b"{":
                return ""
            data.seek(0)
            if data.read(3) != b"\xef\xbb\xbf":
                data.seek(0)
            keys: dict[str, set[str]] = defaultdict(set)
            for prefix, event, value in itertools.islice(ijson.parse(data), _MOST_EVENTS):
                kind = prefix.removesuffix(".item")
                if kind in _WANTED and event == "map_key":
                    keys[kind].add(value)
                if kind in _WANTED and event == "end_map":
                    return kind if keys[kind] >= _WANTED[kind] else ""
    except (OSError, ijson.JSONError):
        return ""
    return ""


def _read(path: Path, kind: str) -> _Array:
    with open(path, "rb") as data:
        objects = tuple(
            entry
            for entry in itertools.islice(items(data, f"{kind}.item"), _MOST_OBJECTS)
            if isinstance(entry, dict)
        )
    found = _SUBSET.search(path.name)
    return _Array(found.group().lower() if found else "", objects)


def _partner(questions: _Array, annotations: Mapping[str, _Array]) -> str:
    """The annotations of most of the questions; empty where there are none."""
    ids = questions.ids()
    shared = {
        file: len(ids & array.ids())
        for file, array in annotations.items()
        if array.subset == questions.subset
    }
    best = max(shared, key=lambda file: (shared[file], file), default="")
    return best if best and shared[best] else ""


def _image_folders(files: Iterable[str]) -> dict[int, set[str]]:
    """Image id -> folders with a picture of it."""
    folders: dict[int, set[str]] = defaultdict(set)
    for file in files:
        folder, name = posixpath.split(file)
        match = _IMAGE.fullmatch(name)
        if match:
            folders[int(match.group(1))].add(folder)
    return folders


def _number(value: object) -> int:
    try:
        return int(str(value))
    except ValueError:
        return -1
