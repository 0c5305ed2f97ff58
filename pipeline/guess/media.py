"""Folders of media: what lies in them, and what the names of their folders and files say."""

from __future__ import annotations

import itertools
import posixpath
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from ...stages.modality import by_ending
from .columns import split_word
from .splits import USUAL, folder_split, split_pattern

_DOCUMENTS = (".txt", ".caption", ".md")
_CUES = (".srt", ".vtt", ".align")
_FEWEST_DOCUMENTS = 3
_NOT_DATA = re.compile(
    r"(readme|licen[cs]e|attribution|changelog|citation|notice|copying|requirements|authors)\b.*",
    re.IGNORECASE,
)
_SAME = 0.5
_VIEW = re.compile(
    r"(rgb|depth|infrared|thermal|nir|left|right|front|rear|back|mask|segment|flow|normals|image"
    r"|img|photo|picture|original|source|target|before|after)",
    re.IGNORECASE,
)
_NUMBERED = re.compile(r"(\D*)(\d{1,9})(\D*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaFolder:
    """Files of one modality below one folder.

    parse: template by which the folders below it say a split or a label; empty where they say
    nothing. labels: the field of it that is a label, and its values. splits: the names of splits
    among them. split: that of all of its files, where folders of other splits are another one.
    stems: names without endings, unique or not.
    """

    path: str
    modality: str
    files: tuple[str, ...]
    parse: str = ""
    labels: tuple[str, ...] = ()
    splits: tuple[str, ...] = ()
    split: str = ""

    @property
    def stems(self) -> dict[str, int]:
        """Name without ending -> how many files have it."""
        return Counter(posixpath.splitext(posixpath.basename(file))[0] for file in self.files)

    @property
    def has_unique_stems(self) -> bool:
        """Whether no two files have one name, their endings left out."""
        return len(self.stems) == len(self.files)

    @property
    def endings(self) -> dict[str, int]:
        """Ending -> files."""
        return Counter(posixpath.splitext(file)[1].lower() for file in self.files)


@dataclass(frozen=True, slots=True)
class CueFiles:
    """Timed text beside media: the template of its path over ``stem``, and how many of the files
    have their medium.
    """

    path: str
    found: int
    files: int


def modality_of(file: str) -> str:
    """The modality that a file is taken for by its name; ``text`` for documents, ``cues`` for timed
    text; empty for none.
    """
    name = posixpath.basename(file)
    lower = name.lower()
    if lower.endswith(_CUES):
        return "cues"
    if lower.endswith(_DOCUMENTS):
        return "" if is_about_the_data(name) else "text"
    return by_ending(lower) or ""


def is_about_the_data(name: str) -> bool:
    """Whether a file speaks of the data and is none: README, LICENSE, ..."""
    return bool(_NOT_DATA.fullmatch(name))


def find_media(files: Iterable[str]) -> list[MediaFolder]:
    """The folders of media among files, the largest first; a few documents are none."""
    by_modality: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for file in files:
        kind = modality_of(file)
        if kind and kind != "cues":
            by_modality[kind][posixpath.dirname(file)].append(file)
    found = []
    for kind, all_folders in by_modality.items():
        fewest = _FEWEST_DOCUMENTS if kind == "text" else 1
        folders = {name: names for name, names in all_folders.items() if len(names) >= fewest}
        for group in _apart(folders):
            found += _by_split(kind, sorted(file for name in group for file in folders[name]))
    return sorted(found, key=lambda folder: (-len(folder.files), folder.path, folder.modality))


def find_cues(folder: MediaFolder, files: Iterable[str]) -> list[CueFiles]:
    """Timed text that is named like the media of a folder: ``subs/{stem}.en.srt``."""
    stems = folder.stems
    votes: Counter[str] = Counter()
    count: Counter[str] = Counter()
    for file in files:
        if modality_of(file) != "cues":
            continue
        place, name = posixpath.split(file)
        bare, ending = posixpath.splitext(name)
        count[place] += 1
        stem = bare
        while stem and stem not in stems:  # film.en.srt is of film.mp4
            stem = stem.rpartition(".")[0]
        if stem:
            inner = f"{{stem}}{bare[len(stem) :]}{ending}"
            votes[f"{place}/{inner}" if place else inner] += 1
    return [
        CueFiles(path, found, count[posixpath.dirname(path)])
        for path, found in sorted(votes.items(), key=lambda item: (-item[1], item[0]))
        # of several languages each is for as many media
        if found >= _SAME * min(count[posixpath.dirname(path)], len(stems))
    ]


def number_pattern(folder: MediaFolder) -> str:
    """The template that reads the number out of names that are alike but for it: ``IMG_{number}``;
    empty where they are not.
    """
    matches = [_NUMBERED.fullmatch(stem) for stem in folder.stems]
    around = {(match.group(1), match.group(3)) for match in matches if match}
    if len(around) != 1 or not all(matches) or set("{}") & set("".join(next(iter(around)))):
        return ""
    before, behind = next(iter(around))
    return f"{before}{{number}}{behind}"


def _apart(folders: Mapping[str, Sequence[str]]) -> list[list[str]]:
    """The folders that are one source together: all of them, unless each is called like a view of
    one thing (``rgb/1.png`` and ``depth/1.png``), for classes number their files alike as well, and
    some files of one are called like some of another. Folders of splits (``train/rgb`` and
    ``test/rgb``) are one view.
    """
    views: dict[str, list[str]] = defaultdict(list)
    for name in folders:
        views[split_pattern(name)].append(name)
    if not folders:
        return []
    if not all(_VIEW.search(posixpath.basename(name)) for name in folders):
        return [list(folders)]
    names = [{_digits(file) for name in own for file in folders[name]} for own in views.values()]
    # images_001, images_002, ... are one, in pieces
    has_twins = any(one & other for one, other in itertools.combinations(names, 2))
    return list(views.values()) if has_twins or len(views) == 1 else [list(folders)]


def _digits(file: str) -> str:
    """What tells a file from others of its folder: the digits of its name, or else the name."""
    stem = posixpath.splitext(posixpath.basename(file))[0]
    return "".join(filter(str.isdigit, stem)) or stem


def _by_split(kind: str, files: Sequence[str]) -> list[MediaFolder]:
    """Files as one source, or as one for each split where a template cannot give the splits the
    usual names: folders called Training and Testing, or test files that lie in no class.
    """
    whole = _folder(kind, files)
    by_split: dict[str, list[str]] = defaultdict(list)
    for file in files:
        by_split[folder_split(file)].append(file)
    if len(by_split) < 2 or "" in by_split or (whole.splits and USUAL.issuperset(whole.splits)):
        return [whole]
    labels = _folder(kind, max(by_split.values(), key=len)).labels
    return [
        replace(_folder(kind, of_split, labels), split=split)
        for split, of_split in by_split.items()
    ]


def _common(folders: Sequence[str]) -> str:
    return posixpath.commonpath([f"/{name}" for name in folders]).lstrip("/")


def _folder(kind: str, files: Sequence[str], known: Sequence[str] = ()) -> MediaFolder:
    """Files below the folder that they share. known: names of folders that are labels anyway."""
    top, files = _common([posixpath.dirname(file) for file in files]), tuple(files)
    inner = [file[len(top) + 1 :] if top else file for file in files]
    depths = {name.count("/") for name in inner}
    if depths == {0} or len(depths) > 1:
        # one field for all of them: the folder that a file lies in
        labels = _labels([name.split("/")[-2] for name in inner if "/" in name], len(inner))
        return MediaFolder(path=top, modality=kind, files=files, labels=labels)
    levels = list(zip(*(name.split("/")[:-1] for name in inner), strict=True))
    words, labels, splits = [], (), ()
    for number, level in enumerate(levels, 1):
        values = sorted(set(level))
        if all(map(split_word, values)):
            # training_set/training_set says it twice
            words.append(f"{{folder{number}}}" if splits else "{split}")
            splits = splits or tuple(values)
        elif not labels and set(values) <= set(known):
            words.append("{label}")
            labels = tuple(known)
        elif not labels and (found := _labels(level, len(inner))):
            words.append("{label}")
            labels = found
        else:
            words.append(f"{{folder{number}}}")
    parse = "/".join([*words, "{file}"]) if labels or splits else ""
    return MediaFolder(
        path=top, modality=kind, files=files, parse=parse, labels=labels, splits=splits
    )


def _labels(values: Sequence[str], files: int) -> tuple[str, ...]:
    """The classes that folders name: two or more, and at most half as many as there are files."""
    distinct = sorted(set(values))
    return tuple(distinct) if 2 <= len(distinct) <= files / 2 and len(values) == files else ()
