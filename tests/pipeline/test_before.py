"""Which accounts are of another run, and which of one that stopped on the way."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from modalmill.pipeline.before import KeptBefore
from modalmill.schemas.account import Account, Count
from modalmill.schemas.layout import RunFolder


def account(*written: int, limit: int | None = None) -> Account:
    source, *stages = (
        Count(f"stage{place}", read=9, written=count, rejected=9 - count)
        for place, count in enumerate(written)
    )
    return Account([source], stages, limit)


@pytest.mark.parametrize(
    ("before", "now", "is_kept"),
    [
        (account(9, 5), account(9, 5), False),
        (account(9, 5, 5), account(9, 5), False),
        (account(9, 5), account(9, 5, 5), False),
        (account(9, 5), account(9, 4), True),
        (account(9, 5, 5), account(9, 4), True),
        (account(8, 5), account(9, 5), True),
        (account(9, 5), account(9, 5, limit=3), True),
    ],
)
def test_an_account_that_says_otherwise_makes_the_old_one_the_run_before(
    tmp_path: Path, before: Account, now: Account, is_kept: bool
) -> None:
    folder = RunFolder(tmp_path)
    folder.account.write_text(json.dumps(before.to_dict()))
    folder.recipe.write_text("name: a")
    kept = KeptBefore(folder)
    kept.compare(now.to_dict())
    assert folder.work.before.is_file() == is_kept
    if is_kept:
        found = json.loads(folder.work.before.read_text())
        assert found == {"account": before.to_dict(), "recipe": "name: a"}


def test_a_folder_without_a_run_has_none_before(tmp_path: Path) -> None:
    KeptBefore(RunFolder(tmp_path)).compare(account(9).to_dict())
    assert list(tmp_path.iterdir()) == []
