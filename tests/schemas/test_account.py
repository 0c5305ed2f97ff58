"""The account adds up exactly when nothing is lost."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from modalmill.schemas.account import Account, Count

numbers = st.integers(0, 1000)


@given(numbers, numbers, numbers, numbers, numbers, st.integers(-3, 3))
def test_it_adds_up_only_when_nothing_is_lost(
    written: int, rejected: int, merged: int, missing: int, copies: int, lost: int
) -> None:
    read = written + rejected + merged + missing - copies + lost
    assert Count("s", read, copies, written, rejected, merged, missing).adds_up() == (lost == 0)


def test_a_record_lost_between_two_stages_is_noticed() -> None:
    account = Account([Count("a", 10, written=10)], [Count("s", 9, written=9)])
    assert account.problems() == ["s: 9 went in, but 10 were written before it"]
    assert account.to_dict()["adds_up"] is False


@given(numbers, numbers)
def test_it_survives_json(read: int, rejected: int) -> None:
    count = Count("s", read, rejected=rejected)
    count.reasons["too_small"] = rejected
    account = Account([count], [])
    assert Account.from_dict(account.to_dict()).to_dict() == account.to_dict()
