"""What lies in a folder: tables with what their columns are, media, COCO VQA, and what is left."""

from __future__ import annotations

import posixpath
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...schemas.errors import InputError
from .captions import CaptionSet, find_captions
from .columns import ColumnGuess, guess_columns, number_marks, split_word
from .containers import ContainerFinding, find_containers
from .listing import FolderListing, list_files
from .media import CueFiles, MediaFolder, find_cues, find_media, is_about_the_data, modality_of
from .paths import FileNames
from .splits import folder_split
from .tables import TableSample, read_sample, table_kind
from .vqa import VqaSet, find_vqa

_MOST_TABLES_OF_A_FOLDER = 12
_MOST_TABLES = 60
_FEW_BROKEN = 0.02
_FEWEST_ROWS = 3
_SEEN_OR_HEARD = ("image", "audio", "video")
_PACKED = (".zip", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".7z", ".rar")
_UNREAD = {
    ".tar": "no WebDataset tar with media or texts; unpack it first",
    ".npy": "vectors are read by a source of type vectors",
    ".npz": "vectors are read by a source of type vectors",
    ".pkl": "a pickle can run code when it is opened, and is never opened",
    ".pickle": "a pickle can run code when it is opened, and is never opened",
    ".xls": "save it as .xlsx or as csv",
    ".h5": "export its tables as csv or Parquet",
    ".hdf5": "export its tables as csv or Parquet",
    ".sqlite": "export its tables as csv",
    ".db": "export its tables as csv",
    ".pdf": "extract its text first",
    ".docx": "save it as .txt",
    ".html": "save it as .txt",
    ".xml": "bring it into csv or JSON lines",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TableFinding:
    """A table and what its columns are taken for.

    marks: the decimal mark of its numbers and that of thousands. split: what its name says, or the
    folder that it lies in, or nothing.
    """

    sample: TableSample
    columns: Mapping[str, ColumnGuess]
    marks: tuple[str, str]
    split: str

    @property
    def file(self) -> str:
        """Below the folder that was looked at."""
        return self.sample.file

    def of(self, *roles: str) -> list[ColumnGuess]:
        """The columns of these roles, in order."""
        return [guess for guess in self.columns.values() if guess.role in roles]


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderFindings:
    """What lies in a folder. passed_over: what is no part of it, in words."""

    root: Path
    listing: FolderListing
    tables: list[TableFinding]
    media: list[MediaFolder]
    cues: dict[str, list[CueFiles]]
    vqa: list[VqaSet]
    captions: list[CaptionSet]
    containers: list[ContainerFinding]
    passed_over: list[str]


def look_at(root: Path, only: str = "") -> FolderFindings:
    """What lies in a folder; ``only``: of its tables, this one alone."""
    listing = list_files(root)
    passed_over: list[str] = []
    sets, lone = find_vqa(root, listing.files)
    taken = {file for entry in sets for file in (entry.questions, entry.annotations)} | set(lone)
    captions, no_captions = find_captions(
        root, [file for file in listing.files if file not in taken]
    )
    lone |= no_captions
    passed_over += [f"{file}: {why}" for file, why in lone.items()]
    taken |= {entry.captions for entry in captions} | set(lone)
    containers, unread = ([], []) if only else find_containers(root, listing.files)
    passed_over += unread
    taken |= {file for entry in containers for file in entry.files}
    samples = _tables(
        root, [file for file in listing.files if file not in taken], only, passed_over
    )
    documents = {sample.file for sample in samples}
    gone = documents | taken
    others = [file for file in listing.files if file not in gone]
    of_splits = _by_split(others)
    known_names: dict[str, FileNames] = {}
    tables = []
    for sample in samples:
        stem = posixpath.splitext(posixpath.basename(sample.file))[0]
        split = split_word(stem) or folder_split(sample.file)
        # the files of a split are in its own folder, where it has one
        own = split if split in of_splits else ""
        if own not in known_names:
            known_names[own] = FileNames(
                of_splits[own] + of_splits.get("", []) if own else others,
                root if listing.is_sample else None,
            )
        tables.append(
            TableFinding(
                sample=sample,
                columns=guess_columns(sample.cells, known_names[own]),
                marks=number_marks(sample.cells),
                split=split,
            )
        )
    media = find_media(others)
    cues = {folder.path: find_cues(folder, others) for folder in media}
    told = {line.partition(": ")[0] for line in passed_over}
    known = documents | taken | told | {file for folder in media for file in folder.files}
    passed_over += _left(
        [file for file in listing.files if file not in known and modality_of(file) != "cues"]
    )
    passed_over += [
        f"{folder}: written by a run; 'modalmill init {root / folder}' reads its shards"
        if folder
        else "what a run wrote beside its shards"
        for folder in listing.runs
    ]
    if listing.hidden:
        passed_over.append(f"{listing.hidden:,} hidden files and files of operating systems")
    return FolderFindings(
        root=root,
        listing=listing,
        tables=tables,
        media=media,
        cues=cues,
        vqa=sets,
        captions=captions,
        containers=containers,
        passed_over=passed_over,
    )


def _by_split(files: Iterable[str]) -> dict[str, list[str]]:
    """Files by the split that their folders say."""
    found: dict[str, list[str]] = defaultdict(list)
    for file in files:
        found[folder_split(file)].append(file)
    return found


def _tables(
    root: Path, files: Sequence[str], only: str, passed_over: list[str]
) -> list[TableSample]:
    """The tables among files; what looks like one and is none is told."""
    if only:
        return [read_sample(root, only)]
    by_folder: dict[tuple[str, str], list[str]] = defaultdict(list)
    for file in files:
        kind = table_kind(file)
        if "submission" in posixpath.basename(file).lower() and kind:
            passed_over.append(f"{file}: shows how answers are handed in, and holds none")
        elif kind and not is_about_the_data(posixpath.basename(file)):
            ending = posixpath.splitext(file)[1].lower()
            by_folder[posixpath.dirname(file), kind if ending != ".txt" else ending].append(file)
    samples: list[TableSample] = []
    of_media = {_stem(file) for file in files if modality_of(file) in _SEEN_OR_HEARD}
    for (folder, kind), of_folder in by_folder.items():
        if kind == ".txt" and len([name for name in of_folder if _stem(name) in of_media]) > 1:
            continue  # a text beside each medium, whatever stands in it
        is_one = kind == "parquet" and _is_one_table(folder, of_folder, files)
        names = [folder] if is_one else of_folder
        if len(names) > _MOST_TABLES_OF_A_FOLDER or len(samples) > _MOST_TABLES:
            if kind != ".txt":
                passed_over.append(
                    f"{folder or '.'}: {len(names):,} files of {kind}, one for each of many"
                    " records; as series over time they need 'modality: series'"
                )
            continue
        first = len(samples)
        for name in names:
            try:
                sample = read_sample(root, name)
            except InputError as error:
                if kind != ".txt":
                    passed_over.append(str(error).replace(f"{root}/", ""))
                continue
            if _is_table(sample, kind):
                samples.append(sample)
            elif kind != ".txt":
                passed_over.append(f"{name}: {_no_table(sample)}")
        of_one = [sample for sample in samples[first:] if sample.rows == 1]
        if len(of_one) >= _FEWEST_ROWS and kind == "jsonl":
            samples = [sample for sample in samples if sample not in of_one]
            passed_over.append(
                f"{folder or '.'}: {len(of_one):,} files of JSON with one object each; bring the"
                " objects into one file of JSON lines"
            )
    return samples


def _stem(file: str) -> str:
    return posixpath.splitext(posixpath.basename(file))[0]


def _is_one_table(folder: str, names: Sequence[str], files: Iterable[str]) -> bool:
    """Whether Parquet files of a folder are pieces of one table, and nothing else lies there."""
    if len(names) < 2 or not folder or any(split_word(posixpath.basename(name)) for name in names):
        return False
    return all(name in names for name in files if name.startswith(f"{folder}/"))


def _is_table(sample: TableSample, kind: str) -> bool:
    if not sample.cells or not sample.rows:
        return False
    # prose in lines of any length is a table to whoever counts commas
    return kind != ".txt" or (
        len(sample.cells) > 1
        and sample.rows >= _FEWEST_ROWS
        and sample.broken + sample.stray <= _FEW_BROKEN * sample.rows
    )


def _no_table(sample: TableSample) -> str:
    return "the table has no rows" if sample.cells or not sample.rows else "it has no columns"


def _left(files: Sequence[str]) -> list[str]:
    """What nothing reads, by ending, each with what may be done."""
    about = [file for file in files if is_about_the_data(posixpath.basename(file))]
    endings: Counter[str] = Counter()
    first: dict[str, str] = {}
    for file in files:
        if file in set(about):
            continue
        lower = file.lower()
        ending = next(
            (end for end in _PACKED if lower.endswith(end)),
            posixpath.splitext(lower)[1] or "no ending",
        )
        endings[ending] += 1
        first.setdefault(ending, file)
    lines = [f"{', '.join(sorted(about)[:5])}: about the data"] if about else []
    for ending, count in sorted(endings.items(), key=lambda item: (-item[1], item[0])):
        advice = "unpack it first" if ending in _PACKED else _UNREAD.get(ending, "nothing reads it")
        name = first[ending] if count == 1 else f"{count:,} files of {ending}"
        lines.append(f"{name}: {advice}")
    return lines
