"""The account of the run before, where this one comes to another: what a report compares with."""

from __future__ import annotations

import json
from typing import Any, TypedDict

from ..schemas.account import AccountOnDisk
from ..schemas.disk import write_json
from ..schemas.layout import RunFolder


class Before(TypedDict):
    """``work/before.json``. recipe: the YAML text that the run before was carried out by."""

    account: AccountOnDisk
    recipe: str


class KeptBefore:
    """What lay in an output folder when a run began."""

    def __init__(self, folder: RunFolder) -> None:
        self._path = folder.work.before
        self._found: Before | None = None
        try:
            # Any: as a run wrote it
            account: Any = json.loads(folder.account.read_text(encoding="utf-8"))
            recipe = folder.recipe.read_text(encoding="utf-8")
        except (OSError, ValueError):
            return
        if {"sources", "stages"} <= set(account):
            self._found = Before(account=account, recipe=recipe)

    def compare(self, account: AccountOnDisk) -> None:
        """Keep what was there as the run before, ahead of its being written over, where the account
        is another. One that is the same as far as it goes is one that stopped on the way.
        """
        if self._found is None or _is_begin_of(self._found["account"], account):
            return
        write_json(self._path, self._found)
        self._found = None


def _is_begin_of(one: AccountOnDisk, other: AccountOnDisk) -> bool:
    """Whether two accounts say the same of what both of them have."""
    if one.get("limit") != other.get("limit") or one["sources"] != other["sources"]:
        return False
    pairs = zip(one["stages"].items(), other["stages"].items(), strict=False)
    return all(here == there for here, there in pairs)
