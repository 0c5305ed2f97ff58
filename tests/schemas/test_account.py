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


def test_a_notebook_is_given_no_markup_of_the_data() -> None:
    count = Count("<script>", 2, written=1, rejected=1)
    count.reasons["a & b"] = 1
    shown = Account([count])._repr_html_()
    assert "<script>" not in shown
    assert "&lt;script&gt;: a &amp; b" in shown
    assert "The account adds up." in shown


def test_what_does_not_add_up_is_shown() -> None:
    account = Account([Count("a", 10, written=10)], [Count("s", 9, written=9)])
    assert repr(account) == "Account(10 in, 9 written; 1 source, 1 stage; does not add up)"
    assert "s: 9 went in, but 10 were written before it" in account._repr_html_()
