"""A mapping of columns whose source finds some of the media itself, and gives their places as
fields.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from ._columns import Columns, Media

_OWN = "__"  # what fields of the source itself begin with


@dataclass(frozen=True, kw_only=True)
class Places(Columns):
    """The mapping of such a source: a path that is one of its own fields lies in no folder whose
    other files were to be looked at.
    """

    def media_folder(self, root: Path, entry: Media) -> str | None:
        return None if is_own(entry) else super().media_folder(root, entry)


def own_medium(name: str, modality: str | None) -> Media:
    """A medium whose place is the field ``name`` of the source itself."""
    return Media(path="{" + name + "}", modality=modality, unlisted="ignore")


def is_own(entry: Media) -> bool:
    """Whether the place of a medium is a field of the source itself."""
    return entry.path.startswith("{" + _OWN)


def options_with(columns: Columns, changes: Mapping[str, object]) -> dict[str, object]:
    """The options of a mapping, of another class perhaps, with these in the place of some."""
    return {item.name: getattr(columns, item.name) for item in fields(Columns)} | dict(changes)
