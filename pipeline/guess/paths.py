"""Which files the cells of a column name, and by which template a recipe reaches them."""

from __future__ import annotations

import posixpath
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...stages.modality import by_ending, suffixes
from ...stages.template import can_name, field_of, fill, is_absent, plain

_MOST_LOOKED_AT = 200
_MOST_OF_A_WORD = 2000  # files whose names share a word
_FEW = 10
_IN_ONE_PLACE = 0.8
_MOST, _ALL, _SOME = 0.5, 0.8, 3
_NEARLY_ALL = 0.9
_MEASURED = re.compile(r"[+-]?\d*[.,]\d*[1-9]\d*([eE][+-]?\d+)?")
_WORD = re.compile(r"[^\W_]+")
_NUMBER = re.compile(r"\d{1,18}")
_MOST_PLACES = 8


@dataclass(frozen=True, slots=True)
class FilePlace:
    """Where the files lie that a column names.

    path: template below the folder that was listed: ``audio/{file}.wav``; where no template leads
        to most of the files (``is_spread``), the folder that all of them lie below.
    modality: of the files; empty where no modality has their ending.
    found: how many of the ``looked_at`` cells name a file that is there.
    files: how many files there are that the template could name.
    """

    path: str
    modality: str
    found: int
    looked_at: int
    files: int = 0
    is_spread: bool = False

    @property
    def share(self) -> float:
        """Share of the cells whose file is there."""
        return self.found / self.looked_at if self.looked_at else 0.0

    @property
    def is_sure(self) -> bool:
        """Whether it is no chance: most cells name a file, or most of some files are named."""
        return self.share >= _MOST or (self.found >= _SOME and self.found >= _ALL * self.files > 0)


class FileNames:
    """The files of a folder, to be found by what a cell says of them. ``root``: the folder, where
    the paths are a sample of it, and what a template leads to is looked for on disk.
    """

    def __init__(self, paths: Iterable[str], root: Path | None = None) -> None:
        # a brace in a name cannot be written in a template
        self.paths = [path for path in paths if "{" not in path and "}" not in path]
        self._root = root
        self._by_name: dict[str, list[str]] = defaultdict(list)
        self._by_stem: dict[str, list[str]] = defaultdict(list)
        self._by_word: dict[str, list[str]] = defaultdict(list)
        for path in self.paths:
            name = posixpath.basename(path)
            stem = posixpath.splitext(name)[0]
            self._by_name[name.casefold()].append(path)
            self._by_stem[stem.casefold()].append(path)
            for word in set(_WORD.findall(stem.casefold())):
                self._by_word[word].append(path)
                if _NUMBER.fullmatch(word) and word[0] == "0":
                    self._by_word[str(int(word))].append(path)

    def places(self, column: str, rows: Sequence[Mapping[str, object]]) -> list[FilePlace]:
        """The templates by which the cells of a column lead to files, the one that most do first.

        Each value counts once. A few values that come again and again are no names of files,
        though some file may have each of them in its name; nor are numbers with decimals, and whole
        numbers that come again where any of them leads nowhere.
        """
        by_value: dict[str, Mapping[str, object]] = {}
        filled = 0
        for row in rows:
            if not is_absent(row.get(column)) and not isinstance(row[column], list | dict | bytes):
                filled += 1
                by_value.setdefault(plain(row[column]), row)
        if by_value and all(map(_MEASURED.fullmatch, list(by_value)[:_FEW])):
            return []
        are_numbers = all(map(_NUMBER.fullmatch, by_value)) and len(by_value) < filled
        few = len(by_value) < min(_FEW, filled)
        step = max(1, len(by_value) // _MOST_LOOKED_AT)
        looked_at = list(by_value.values())[::step][:_MOST_LOOKED_AT]
        votes: Counter[str] = Counter()
        modality: dict[str, str] = {}
        for row in looked_at:
            for template, path in self._templates(column, row):
                if few and posixpath.basename(path) not in plain(row[column]):
                    continue
                votes[template] += 1
                modality.setdefault(template, by_ending(path) or "")
        if self._root is not None:
            for template in [text for text, _ in votes.most_common(_MOST_PLACES)]:
                votes[template] = sum(
                    self._is_there(self._root, template, row) for row in looked_at
                )
        # below a folder that is named, files that no row names are found as well
        ranked = sorted(
            votes,
            key=lambda text: (
                -votes[text],
                text.count("{"),
                text[0] == "{",
                ending_rank(text),
                len(text),
                text,
            ),
        )
        places = [
            FilePlace(text, modality[text], votes[text], len(looked_at), self._files(text))
            for text in ranked[:_MOST_PLACES]
            if not are_numbers or votes[text] >= _NEARLY_ALL * len(looked_at)
        ]
        return [*self._spread(column, looked_at, places), *places]

    def _files(self, template: str) -> int:
        """How many files, in any folder, begin and end as those of a template do."""
        head, _, tail = posixpath.basename(template).casefold().partition("{")
        tail = tail.rpartition("}")[2]
        names = (posixpath.basename(path).casefold() for path in self.paths)
        return sum(name.startswith(head) and name.endswith(tail) for name in names)

    def _is_there(self, root: Path, template: str, row: Mapping[str, object]) -> bool:
        try:
            return (root / (fill(template, row) or "")).is_file()
        except (OSError, ValueError):
            return False

    def _spread(
        self, column: str, rows: Sequence[Mapping[str, object]], places: Sequence[FilePlace]
    ) -> list[FilePlace]:
        """The folder below which the files lie, where they lie in so many of its folders that no
        template leads to most of them.
        """
        if not places or places[0].share >= _IN_ONE_PLACE:
            return []
        found: Counter[str] = Counter()
        folders: dict[str, set[str]] = defaultdict(set)
        for row in rows:
            name = posixpath.basename(plain(row[column]).strip().replace("\\", "/"))
            stem = posixpath.splitext(name)[0]
            paths = self._by_name.get(name.casefold()) or self._by_stem.get(stem.casefold()) or []
            for kind in {by_ending(path) or "" for path in paths} - {""}:
                found[kind] += 1
                folders[kind] |= {
                    posixpath.dirname(path) for path in paths if by_ending(path) == kind
                }
        if not found:
            return []
        kind, count = found.most_common(1)[0]
        if count < _IN_ONE_PLACE * len(rows):
            return []
        top = posixpath.commonpath([f"/{name}" for name in folders[kind]]).lstrip("/")
        return [FilePlace(top, kind, count, len(rows), is_spread=True)]

    def _templates(self, column: str, row: Mapping[str, object]) -> set[tuple[str, str]]:
        """Every template under which the row's cell names a file that is there, with that file."""
        text = plain(row[column]).strip().replace("\\", "/").removeprefix("./")
        name = posixpath.basename(text)
        if not name or len(name) > 255:
            return set()
        found: set[tuple[str, str]] = set()
        stem = posixpath.splitext(name)[0]
        named = self._by_name.get(name.casefold(), [])
        # where a folder is said, a file of that name in another one is meant only if there is none
        exact = [path for path in named if f"/{path}".casefold().endswith(f"/{text}".casefold())]
        for path in exact or named:
            found |= {(template, path) for template in _templates_of(column, text, path, "name")}
        for path in {
            *self._by_stem.get(name.casefold(), ()),
            *self._by_stem.get(stem.casefold(), ()),
        }:
            if posixpath.basename(path).casefold() != name.casefold():
                found |= {
                    (template, path) for template in _templates_of(column, text, path, "stem")
                }
        if not found and not by_ending(name):
            found = self._by_words(column, name)
        return {
            pair
            for template, path in found
            for pair in ((template, path), *_with_columns(template, path, column, row))
        }

    def _by_words(self, column: str, text: str) -> set[tuple[str, str]]:
        """Templates with something before or behind the cell: ``COCO_{image_id:012d}.jpg``."""
        words = _WORD.findall(text.casefold())
        if not words:
            return set()
        rarest = min(words, key=lambda word: (len(self._by_word.get(word, ())), word))
        found = set()
        for path in self._by_word.get(rarest, ())[:_MOST_OF_A_WORD]:
            folder, name = posixpath.split(path)
            stem, ending = posixpath.splitext(name)
            place = f"{folder}/" if folder else ""
            match = re.search(rf"(?<![^\W_]){re.escape(text)}(?![^\W_])", stem, re.IGNORECASE)
            form = ""
            if match is None and _NUMBER.fullmatch(text):
                match = re.search(rf"(?<!\d)0*{int(text)}(?!\d)", stem)
                form = f"0{len(match.group())}d" if match else ""
            if match is None:
                continue
            head, tail = stem[: match.start()], stem[match.end() :]
            found.add((f"{place}{head}{field_of(column, form)}{tail}{ending}", path))
        return found


def _templates_of(column: str, text: str, path: str, form: str) -> Iterator[str]:
    """The templates of a file whose name stands in the cell: with its ending (``name``), or with
    another or none (``stem``).
    """
    folder = posixpath.dirname(path)
    bare, ending = posixpath.splitext(path) if form == "stem" else (path, "")
    if bare.casefold().endswith(text.casefold()):
        before = bare[: len(bare) - len(text)]
        if not before or before.endswith("/"):
            yield f"{before}{field_of(column)}{ending}"
    if "/" in text or (form == "stem" and posixpath.splitext(text)[1]):
        yield posixpath.join(folder, f"{field_of(column, form)}{ending}")


def ending_rank(path: str) -> int:
    """Where an ending stands among those that its modality names, the usual one first."""
    ending = posixpath.splitext(path)[1].lower()
    known = suffixes([by_ending(path)])
    return known.index(ending) if ending in known else 0


def _with_columns(
    template: str, path: str, column: str, row: Mapping[str, object]
) -> list[tuple[str, str]]:
    """The same with a folder that is named like another cell of the row: ``{label}/{file}``."""
    folder, _, last = template.rpartition("/")
    names = folder.split("/") if folder else []
    others: dict[str, str] = {}
    for word, cell in row.items():
        if word != column and isinstance(cell, str) and cell and can_name(word):
            others.setdefault(cell, word)
    changed = [field_of(others[name]) if name in others else name for name in names]
    return [("/".join([*changed, last]), path)] if changed != names else []
