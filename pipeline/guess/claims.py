"""Which files the rows of a table take for their own: a part for each kind of medium that a column
leads to.
"""

from __future__ import annotations

import posixpath
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from ...stages.template import fill, folder_of
from .columns import ColumnGuess
from .looking import TableFinding
from .media import MediaFolder, modality_of
from .paths import FilePlace

_ALIKE = 0.9
_MOST_PARTS = 6
_ROWS = 5
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_WORD = re.compile(r"[A-Za-z0-9]+")


@dataclass(frozen=True, slots=True)
class Claim:
    """The files of one part: the column that leads to them, and how many of its cells do.

    modality: also ``cues``. path: template, or the folder that the files lie below (``is_spread``).
    """

    part: str
    modality: str
    column: str
    path: str
    found: int
    looked_at: int
    is_spread: bool = False

    def takes(self, file: str) -> bool:
        """Whether a file lies where the source that reads the table looks."""
        folder = self.path if self.is_spread else folder_of(self.path)
        below = not folder or file.startswith(f"{folder}/")
        return modality_of(file) == self.modality and below


def claims_of(table: TableFinding) -> list[Claim]:
    """What the rows of a table lead to: of each kind of medium every column that names files of it
    by their endings, or else the one column by which most are found.
    """
    claims: list[Claim] = []
    offers = [offer for guess in table.of("path") for offer in _offers(guess)]
    for modality in dict.fromkeys(modality for _, modality, _ in offers):
        of_kind = [offer for offer in offers if offer[1] == modality]
        explicit = [offer for offer in of_kind if _names_endings(table, offer[0])]
        best = max(of_kind, key=lambda offer: (offer[0].values, offer[2][0].share))
        chosen = explicit or [best]
        for guess, _, places in chosen:
            named = guess.column if len(chosen) > 1 else ""
            claims += _parts(table, guess, modality, places, named)
    return _named_apart(claims)


def left_over(media: Iterable[MediaFolder], claims: Sequence[Claim]) -> list[str]:
    """The files of media that nothing claims."""
    return [
        file
        for folder in media
        for file in folder.files
        if not any(claim.takes(file) for claim in claims)
    ]


def _offers(guess: ColumnGuess) -> list[tuple[ColumnGuess, str, list[FilePlace]]]:
    """The kinds of media that a column leads to, each with its places, the best first."""
    by_kind: dict[str, list[FilePlace]] = {}
    for place in guess.places:
        kind = place.modality or modality_of(place.path)
        if kind and (place.is_sure or place is guess.places[0]):
            by_kind.setdefault(kind, []).append(place)
    return [(guess, kind, places) for kind, places in by_kind.items() if kind != "text"]


def _names_endings(table: TableFinding, guess: ColumnGuess) -> bool:
    cells = [str(cell) for cell in table.sample.cells[guess.column] if cell][:100]
    return sum(bool(modality_of(cell.replace("\\", "/"))) for cell in cells) > len(cells) / 2


def _parts(
    table: TableFinding,
    guess: ColumnGuess,
    modality: str,
    places: Sequence[FilePlace],
    named: str,
) -> list[Claim]:
    """The parts of one column: several where its rows have several files, which differ in more than
    their endings.
    """
    first = _of_many_folders(places) or places[0]
    if first.is_spread:
        return [
            Claim(
                named or modality,
                modality,
                guess.column,
                first.path,
                first.found,
                first.looked_at,
                is_spread=True,
            )
        ]
    rows = _rows(table, guess.column)
    seen: set[tuple[str, ...]] = set()
    kept = []
    for place in places:
        files = tuple(_filled(posixpath.splitext(place.path)[0], row) for row in rows)
        if place.found >= _ALIKE * first.found and files not in seen:
            seen.add(files)
            kept.append(place)
    kept = kept[:_MOST_PARTS]
    words = _differences([place.path for place in kept])
    base = as_name(named) or ("words" if modality == "cues" else modality)
    return [
        Claim(
            f"{base}_{word}" if word else base,
            modality,
            guess.column,
            place.path,
            place.found,
            place.looked_at,
        )
        for place, word in zip(kept, words, strict=True)
    ]


def _of_many_folders(places: Sequence[FilePlace]) -> FilePlace | None:
    """The folder above several in which the files of one part lie, each of a row in one of them
    (``images_001``, ``images_002``); None where rows have a file in each.
    """
    first = places[0]
    alike = [
        place
        for place in places
        if not place.is_spread
        and posixpath.basename(place.path) == posixpath.basename(first.path)
        and "{" not in posixpath.dirname(place.path)
    ]
    found = sum(place.found for place in alike)
    if len(alike) < 2 or found > first.looked_at or first.found > _ALIKE * found:
        return None
    folder = posixpath.commonpath([posixpath.dirname(place.path) for place in alike])
    return replace(first, path=folder, found=found, is_spread=True)


def _rows(table: TableFinding, column: str) -> list[Mapping[str, object]]:
    cells = table.sample.cells
    numbers = [number for number, cell in enumerate(cells[column]) if cell][:_ROWS]
    return [{name: values[number] for name, values in cells.items()} for number in numbers]


def _filled(template: str, row: Mapping[str, object]) -> str:
    """What a template says of a row, whatever the ending and the capitals."""
    text = (fill(template, row) or "").replace("\\", "/")
    return (posixpath.splitext(text)[0] if modality_of(text) else text).casefold()


def _differences(paths: Sequence[str]) -> list[str]:
    """What tells templates apart, as a word for each: the folder, or what stands behind a name."""
    if len(paths) < 2:
        return [""] * len(paths)
    bare = [posixpath.splitext(path)[0] for path in paths]
    before = len(posixpath.commonprefix(bare))
    behind = len(posixpath.commonprefix([path[before:][::-1] for path in bare]))
    words = [as_name(path[before : len(path) - behind]) for path in bare]
    return (
        words if all(words) and len(set(words)) == len(words) else list(map(str, range(len(words))))
    )


def as_name(text: str) -> str:
    """A name as parts and targets can be called: letters, digits and _; empty where it has none.

    >>> as_name("Größe (cm)"), as_name("placeOfBirth")
    ('grosse_cm', 'place_of_birth')
    """
    plain = unicodedata.normalize("NFKD", _CAMEL.sub("_", text.replace("ß", "ss")))
    return "_".join(_WORD.findall(plain.encode("ascii", "ignore").decode())).lower()


def _named_apart(claims: Sequence[Claim]) -> list[Claim]:
    """The claims with names of which no two are the same."""
    names: dict[str, Claim] = {}
    for claim in claims:
        number, name = 2, claim.part
        while name in names:
            name, number = f"{claim.part}_{number}", number + 1
        names[name] = claim
    return [replace(claim, part=name) for name, claim in names.items()]
