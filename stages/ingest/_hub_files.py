"""The files of a Hugging Face dataset on disk: which there are, which split each is of, and what
the dataset says of its columns.

    data/train-00000-of-00002.parquet       as the Hub keeps them, and to_parquet writes them
    train/data-00000-of-00001.arrow         save_to_disk, beside dataset_info.json
    *-train.arrow, train/0000.parquet       the cache of datasets, and files that the Hub converted
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from ...schemas.errors import InputError
from ..media.inside import BytesTable, open_table

_ENDINGS = (".parquet", ".arrow")
_OF = re.compile(r"^(?P<split>.+?)-\d{5}-of-\d{5}(?:-[0-9a-f]{16})?$")
_NUMBER = re.compile(r"^\d+$")
# what the Hub takes for a split in the name of a file or folder
_WORDS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("validation", "valid", "val", "dev"), "validation"),
    **dict.fromkeys(("test", "testing", "eval", "evaluation"), "test"),
}
_HUB_NAME = re.compile(r"^[\w.-]+/[\w.-]+$")
_MEDIA = {"Image": "image", "Audio": "audio", "Video": "video"}


@dataclass(frozen=True, slots=True)
class HubFile:
    """A table of the dataset: its place below the data root, and its split or nothing."""

    uri: str
    split: str


@dataclass(frozen=True, slots=True)
class HubColumn:
    """What a column holds.

    modality: of media. names: of classes, by their numbers. is_list: of several of these.
    """

    modality: str = ""
    names: tuple[str, ...] = ()
    is_list: bool = False


def list_hub_files(root: Path, path: str) -> list[HubFile]:
    """The tables of the dataset in a folder, in order of split and name; InputError where there is
    none.
    """
    top = root / path
    if top.is_file():
        return [HubFile(path, _split_of(posixpath.basename(path), ""))]
    if not top.is_dir():
        hint = "check 'data' and 'path' in the recipe"
        if _HUB_NAME.match(path):
            hint = (
                f"where {path} is the name of a dataset on the Hub, download it first and name the"
                f" folder: huggingface-cli download {path} --repo-type dataset --local-dir"
                f" {posixpath.basename(path)} (hf download, since huggingface_hub 1.0)"
            )
        raise InputError(f"{top}: there is no such folder; {hint}")
    found = []
    for file in sorted(top.rglob("*")):
        below = file.relative_to(top).as_posix()
        hidden = any(word.startswith((".", "cache-")) for word in below.split("/"))
        if file.suffix in _ENDINGS and not hidden and file.is_file():
            folder = posixpath.dirname(below)
            uri = posixpath.join(path, below) if path not in ("", ".") else below
            found.append(HubFile(uri, _split_of(posixpath.basename(below), folder)))
    if not found:
        raise InputError(
            f"{top}: wanted a Hugging Face dataset (data/train-00000-of-00001.parquet, or what"
            " save_to_disk writes), found no .parquet and no .arrow file"
        )
    return sorted(found, key=lambda file: (file.split, file.uri))


def _split_of(name: str, folder: str) -> str:
    """The split that a file's name says, or the folder that it lies in; empty where neither does.

    >>> _split_of("train-00000-of-00002.parquet", "data"), _split_of("0000.parquet", "x/valid")
    ('train', 'validation')
    """
    stem = posixpath.splitext(name)[0]
    match = _OF.match(stem)
    above = posixpath.basename(folder)
    if match and match["split"] not in ("data", "cache"):
        words = match["split"].rpartition("-")[2]
        return _WORDS.get(match["split"], _as_split(words))
    for text in (stem, above):
        for word in reversed(re.split(r"[^a-z]+", text.lower())):
            if word in _WORDS:
                return _WORDS[word]
    # save_to_disk: a folder for each split, of any name
    is_number = match is not None or _NUMBER.match(stem) is not None
    return _as_split(above) if is_number and above not in ("data", "default") else ""


def _as_split(word: str) -> str:
    return re.sub(r"[^A-Za-z0-9_]+", "_", word)[:40]


def open_hub_file(root: Path, file: HubFile) -> BytesTable:
    """The table of a file; InputError where it cannot be read."""
    try:
        return open_table(root / file.uri)
    except (pa.ArrowInvalid, OSError) as error:
        why = " ".join(str(error).split())[:160]
        raise InputError(f"{root / file.uri}: is no table that can be read: {why}") from None


def hub_columns(root: Path, path: str, file: HubFile, schema: pa.Schema) -> dict[str, HubColumn]:
    """What the dataset says of its columns: in the table itself, or in ``dataset_info.json`` beside
    it or at the top. Where it says nothing, structs of bytes and path are media of any kind.
    """
    columns = {}
    told = _features(root, path, file, schema)
    for field in schema:
        column = _column(told.get(field.name))
        if not column.modality and is_media_struct(field.type):
            column = HubColumn(modality="any")
        columns[field.name] = column
    return columns


def is_media_struct(kind: pa.DataType) -> bool:
    """Whether a type is that of a medium: a struct of ``bytes`` and ``path``."""
    names = {kind[at].name for at in range(kind.num_fields)} if pa.types.is_struct(kind) else set()
    return {"bytes", "path"} <= names


def _features(root: Path, path: str, file: HubFile, schema: pa.Schema) -> Mapping[str, object]:
    raw = (schema.metadata or {}).get(b"huggingface", b"{}")
    texts = [raw.decode("utf-8", "replace")]
    for folder in dict.fromkeys((posixpath.dirname(file.uri), path)):
        info = root / folder / "dataset_info.json"
        if info.is_file():
            texts.append('{"info": ' + info.read_text("utf-8", "replace") + "}")
    for text in texts:
        try:
            features = json.loads(text)["info"]["features"]
        except (ValueError, KeyError, TypeError, RecursionError):
            continue
        if isinstance(features, dict):
            return features
    return {}


def _column(feature: object) -> HubColumn:
    if isinstance(feature, list) and len(feature) == 1:  # how lists were written once
        feature = {"_type": "List", "feature": feature[0]}
    if not isinstance(feature, dict):
        return HubColumn()
    kind, inner = feature.get("_type"), feature.get("feature")
    if kind in ("List", "LargeList", "Sequence"):
        own = _column(inner)
        return HubColumn(own.modality, own.names, is_list=True)
    names = feature.get("names") if kind == "ClassLabel" else None
    return HubColumn(
        _MEDIA.get(str(kind), ""),
        tuple(map(str, names)) if isinstance(names, list) else (),
    )


def same_columns(files: Iterable[tuple[HubFile, pa.Schema]]) -> None:
    """InputError where the tables of a folder are not of one dataset."""
    first: tuple[HubFile, pa.Schema] | None = None
    for file, schema in files:
        if first is None:
            first = file, schema
        elif set(schema.names) != set(first[1].names):
            odd = sorted(set(schema.names) ^ set(first[1].names))
            raise InputError(
                f"{file.uri}: has other columns than {first[0].uri} ({', '.join(odd[:6])}); they"
                " are several datasets (configurations): set path to the folder of one"
            )
