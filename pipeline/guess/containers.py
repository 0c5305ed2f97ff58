"""Data that people have in containers: WebDataset tars, modalmill's own shards, Hugging Face
datasets; each with what its source guesses of it.
"""

from __future__ import annotations

import itertools
import posixpath
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from ...schemas.contents import Contents
from ...schemas.errors import ModalmillError
from ...schemas.index import SET_FILE
from ...schemas.manifest import Row
from ...schemas.record import Record
from ...stages.ingest._hub_files import is_media_struct
from ...stages.ingest.huggingface import HuggingFace
from ...stages.ingest.webdataset import WebDataset
from ...stages.media.inside import open_table
from .columns import split_word

_LOOKED_AT = 500  # records
_TABLES = (".parquet", ".arrow")
_OF_A_DATASET = ("dataset_info.json", "state.json", "dataset_dict.json", "dataset_infos.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerFinding:
    """A folder of containers. kind: the type of its source. options: what its source guessed, as a
    recipe would say it. files: that it takes. records: the first of them. is_own: they are shards
    that modalmill wrote.
    """

    kind: str
    path: str
    options: dict[str, object]
    told: list[str]
    contents: Contents
    files: frozenset[str]
    records: list[Record] = field(repr=False)
    is_own: bool = False


def find_containers(root: Path, files: Sequence[str]) -> tuple[list[ContainerFinding], list[str]]:
    """The containers among the files below a folder, and those that cannot be read, with why."""
    found: list[ContainerFinding] = []
    lone: list[str] = []
    looks = [(_hub, path, own) for path, own in _hub_folders(root, files).items()]
    looks += [(_tars, path, own) for path, own in _tar_folders(files).items()]
    for look, path, own in looks:
        try:
            finding = look(root, path, own, files)
        except ModalmillError as error:
            lone.append(f"{own[0]}: {str(error).replace(f'{root}/', '')}")
            continue
        if finding is not None:
            found.append(finding)
    return found, lone


def _tar_folders(files: Iterable[str]) -> dict[str, list[str]]:
    """The tars by folder; those of folders that are called like splits by the folder above."""
    folders: dict[str, list[str]] = defaultdict(list)
    for file in files:
        if file.lower().endswith(".tar"):
            folders[_above(file)].append(file)
    return folders


def _above(file: str) -> str:
    folder = posixpath.dirname(file)
    return posixpath.dirname(folder) if split_word(posixpath.basename(folder)) else folder


def _hub_folders(root: Path, files: Sequence[str]) -> dict[str, list[str]]:
    """The tables that a Hugging Face dataset is made of, by its folder."""
    listed = set(files)
    folders: dict[str, list[str]] = defaultdict(list)
    known: dict[str, bool] = {}
    for file in files:
        if not file.lower().endswith(_TABLES):
            continue
        folder = posixpath.dirname(file)
        above = posixpath.dirname(folder)
        if posixpath.join(above, "dataset_dict.json") in listed:
            folders[above].append(file)
        elif posixpath.join(folder, "state.json") in listed:
            folders[folder].append(file)
        else:
            # one of a folder tells for all
            if folder not in known:
                known[folder] = _is_of_a_dataset(root / file)
            if known[folder]:
                folders[_above(file)].append(file)
    return folders


def _is_of_a_dataset(path: Path) -> bool:
    """Whether a table says that ``datasets`` wrote it, or has media in its cells."""
    try:
        schema = open_table(path).schema
    except (pa.ArrowException, OSError, ValueError):
        return False
    return b"huggingface" in (schema.metadata or {}) or any(
        is_media_struct(one.type) for one in schema
    )


def _tars(root: Path, path: str, files: list[str], every: Sequence[str]) -> ContainerFinding | None:
    below = (file for file in every if file.startswith(f"{path}/" if path else ""))
    is_all = sum(file.lower().endswith(".tar") for file in below) == len(files)
    wanted = (path or ".") if is_all else posixpath.join(path, "*.tar")
    source = WebDataset(path=wanted)
    told: list[str]
    options: dict[str, object] = {"path": wanted}
    beside = frozenset(files)
    is_own = (root / path / SET_FILE).is_file()
    if is_own:
        told = ["shards that modalmill wrote: records are what they were"]
        indexes = {f"{file.removesuffix('.tar')}.arrow" for file in files}
        beside |= indexes | {posixpath.join(path, name) for name in (SET_FILE, "README.md")}
    else:
        mapping, told, _ = source.settled(root)
        if not mapping.endings:
            return None
        options |= {
            "parts": {
                part: own[0] if len(own) == 1 else own for part, own in mapping.endings.items()
            },
            "targets": mapping.targets,
            "numbers": mapping.numbers,
            "split": mapping.split,
        }
        # statistics and tables that img2dataset writes beside each tar
        stems = tuple(file.removesuffix(".tar") for file in files)
        beside |= {f"{stem}{end}" for stem in stems for end in (".parquet", "_stats.json")}
    return ContainerFinding(
        kind="webdataset",
        path=path,
        options=_given(options),
        told=[f"{len(files):,} tars", *told],
        contents=source.contents_in(root),
        files=beside,
        records=_first_records(source, root),
        is_own=is_own,
    )


def _hub(root: Path, path: str, files: list[str], every: Sequence[str]) -> ContainerFinding | None:
    source = HuggingFace(path=path or ".")
    settled, told, _ = source.settled(root)
    contents = source.contents_in(root)
    if not contents.parts:
        return None
    options: dict[str, object] = {
        "path": path or ".",
        "media": {name: {"path": one.path, "modality": one.modality} for name, one in
                  settled.media.items()},
        "text": settled.text,
        "targets": settled.targets,
        "numbers": settled.numbers,
        "split": settled.split,
    }  # fmt: skip
    folders = {posixpath.dirname(file) for file in files} | {path}
    info = {posixpath.join(folder, name) for folder in folders for name in _OF_A_DATASET}
    return ContainerFinding(
        kind="huggingface",
        path=path,
        options=_given(options),
        told=[f"{len(files):,} tables of a Hugging Face dataset", *told],
        contents=contents,
        files=frozenset(files) | info,
        records=_first_records(source, root),
    )


def _given(options: dict[str, object]) -> dict[str, object]:
    """Those that say something; names that stand for themselves as a list."""
    given = {}
    for name, value in options.items():
        if value in (None, {}, []):
            continue
        given[name] = value
        if isinstance(value, dict) and name in ("targets", "numbers"):
            given[name] = list(value) if list(value) == list(value.values()) else value
    return given


def _first_records(source: WebDataset | HuggingFace, root: Path) -> list[Record]:
    """The first records that are whole, from all over what is read quickly."""
    rows = source.preview(root, "init", Counter(), lambda item: None)
    whole = (item.record for item in rows if isinstance(item, Row) and item.fault is None)
    return list(itertools.islice(whole, _LOOKED_AT))
