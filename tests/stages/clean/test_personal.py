"""Personal data are found where their standards say so, masked in texts and cues, and told."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas
import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st
from modalmill.pipeline.run import Result
from modalmill.pipeline.texts import read_rejects
from modalmill.schemas.errors import RecipeError
from modalmill.schemas.manifest import read_manifest, table_to_records
from modalmill.schemas.record import Cue, Origin, Part, Record
from modalmill.stages.base import Addressed, make
from modalmill.stages.clean import _personal
from modalmill.stages.clean._personal import (
    KINDS,
    has_iban_digits,
    has_luhn_digit,
    masked,
    masked_cues,
    personal_in,
)
from modalmill.stages.clean.text import Text
from tiny import recipe, write

Run = Callable[..., Result]

# What issuers publish for tests, and examples of the registry of IBANs and of RFC 3849 and 5737.
FOUND = [
    ("write to ann.lee+x@mail.example.org.", "email", "ann.lee+x@mail.example.org"),
    ("<josé@müller.example>", "email", "josé@müller.example"),
    ("pay 4111 1111 1111 1111 12/25", "card", "4111 1111 1111 1111"),
    ("5500-0000-0000-0004", "card", "5500-0000-0000-0004"),
    ("amex 3782 822463 10005,", "card", "3782 822463 10005"),
    ("(6011000990139424)", "card", "6011000990139424"),
    ("IBAN DE89 3704 0044 0532 0130 00 THANKS", "iban", "DE89 3704 0044 0532 0130 00"),
    ("gb82west12345698765432", "iban", "gb82west12345698765432"),
    ("NO9386011117947.", "iban", "NO9386011117947"),
    ("from 192.0.2.146.", "ip", "192.0.2.146"),
    ("at 2001:db8::ff00:42:8329 now", "ip", "2001:db8::ff00:42:8329"),
    ("call +44 20 7946 0958!", "phone", "+44 20 7946 0958"),
    ("call +49 (0)30 901820 today", "phone", "+49 (0)30 901820"),
]
LEFT = [
    "4111 1111 1111 1112",  # its check digit is wrong
    "DE89 3704 0044 0532 0130 01",
    "DE89 3704 0044 0532 0130 0",  # too short for Germany
    "0000 0000 0000 0000",  # Luhn, and no network has it
    "4111.1111.1111.1111",
    "1 234 567.89 EUR, $1,299.00, 10,000,000",
    "2024-05-06 12:30:45, 06/05/2024 and 20240506123045",
    "order 1234567890123, ISBN 978-3-16-148410-0, room 12-34",
    "v1.2.3.4, version 10.2.3.4, 256.1.1.1, 1.2.3.4.5",
    "127.0.0.1 and 0.0.0.0 and 255.255.255.255 and ::1",
    "std::vector a::b 12:34 aa:bb:cc:dd:ee:ff",
    "@ann me@home a@b ann@example..org",
    "section 3.141592653589793 is pi",
]


@pytest.mark.parametrize(("text", "kind", "wanted"), FOUND)
def test_what_is_valid_is_found_from_its_first_character_to_its_last(
    text: str, kind: str, wanted: str
) -> None:
    found = personal_in(text, KINDS)
    assert [(each.kind, text[each.start : each.end]) for each in found] == [(kind, wanted)]
    assert masked(text, found) == text.replace(wanted, f"[{kind.upper()}]")


@pytest.mark.parametrize("text", LEFT)
def test_what_is_no_personal_data_is_left(text: str) -> None:
    assert personal_in(text, KINDS, ["US", "GB"]) == []


@given(st.text("0123456789", min_size=1, max_size=18))
def test_one_check_digit_of_ten_is_right_and_any_wrong_digit_is_noticed(digits: str) -> None:
    right = [each for each in "0123456789" if has_luhn_digit(digits + each)]
    assert len(right) == 1
    changed = str((int(digits[0]) + 3) % 10) + digits[1:]
    assert not has_luhn_digit(changed + right[0])


@pytest.mark.parametrize("country", ["GB", "DE", "NO", "FR", "MT"])
@given(data=st.data())
def test_check_digits_of_ibans_are_98_less_the_rest_of_97(
    country: str, data: st.DataObject
) -> None:
    """ISO 13616: the two digits are 98 minus the rest with zeros in their place."""
    length = _personal._IBAN_LENGTHS[country] - 4
    account = data.draw(st.text("0123456789ABCXYZ", min_size=length, max_size=length))
    as_number = int("".join(str(int(letter, 36)) for letter in f"{account}{country}00"))
    iban = f"{country}{98 - as_number % 97:02d}{account}"
    assert has_iban_digits(iban)
    groups = " ".join(re.findall(".{1,4}", iban))
    assert [each[:2] for each in personal_in(f"to {groups}.", ["iban"])] == [(3, 3 + len(groups))]


@pytest.mark.parametrize("region", ["GB", "US", "DE", "FR", "JP", "BR"])
def test_numbers_are_known_as_they_are_dialled_where_the_region_is_named(region: str) -> None:
    example = phonenumbers.example_number(region)
    dialled = phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.NATIONAL)
    assert [each.kind for each in personal_in(f"call {dialled} now", ["phone"], [region])] == [
        "phone"
    ]
    assert personal_in(f"call {dialled} now", ["phone"]) == []


@given(
    st.lists(st.sampled_from([*(text for text, _, _ in FOUND), *LEFT, "a b"]), max_size=4),
    st.sampled_from([" ", "\n", "; "]),
)
def test_masking_twice_is_masking_once_and_nothing_is_left(texts: list[str], between: str) -> None:
    text = between.join(texts)
    once = masked(text, personal_in(text, KINDS))
    assert personal_in(once, KINDS) == []


def test_a_number_said_over_several_cues_is_one_cue_from_its_first_to_its_last() -> None:
    said = "my number is +44 20 7946 0958 call me"
    words = said.split()
    cues = [Cue(place, place + 0.5, word) for place, word in enumerate(words)]
    found = masked_cues(cues, lambda text: personal_in(text, KINDS))
    assert [(cue.start_s, cue.end_s, cue.text) for cue in found[2:5]] == [
        (2, 2.5, "is"),
        (3, 6.5, "[PHONE]"),
        (7, 7.5, "call"),
    ]
    assert masked_cues([], lambda text: personal_in(text, KINDS)) == []
    part = Part("text", text="\n".join(words), cues=tuple(cues))
    record = Record("k", "k", Origin("s", "f"), {"said": part})
    after = Text(personal="mask").apply(record).parts["said"]
    assert after.text == "my\nnumber\nis\n[PHONE]\ncall\nme"
    assert [cue.text for cue in after.cues] == (after.text or "").split()


def corpus(root: Path) -> dict[str, Any]:
    rows = ["a,write to ann@example.org or bob@example.org", "b,call 020 7946 0958", "c,hello"]
    write(root / "t.csv", "\n".join(["id,text", *rows]))
    return {"s": {"type": "csv", "path": "t.csv", "id": "{id}", "text": {"note": "text"}}}


def texts(out: Path) -> list[str | None]:
    records = table_to_records(read_manifest(out))
    return [each.parts["note"].text for each in sorted(records, key=lambda each: each.origin.id)]


@pytest.mark.parametrize("personal", ["mask", "count", "reject", "leave"])
def test_what_is_done_is_told(personal: str, tmp_path: Path, run_recipe: Run) -> None:
    options: dict[str, Any] = {"personal": personal}
    if personal != "leave":
        options["phone_regions"] = ["GB"]
    result = run_recipe(
        recipe(tmp_path, corpus(tmp_path), [{"clean.text": options}], tolerance=1.0)
    )
    out, count = tmp_path / "out", result.account.stages[0]
    table = pandas.read_parquet(out / "signals.parquet").set_index("key").sort_index()
    if personal == "leave":
        assert "emails" not in table.columns
        assert not count.notes
        return
    assert table.emails.tolist() == [2, 0, 0]
    assert table.phones.tolist() == [0, 1, 0]
    if personal == "reject":
        assert texts(out) == ["hello"]
        messages = [row["message"] for row in read_rejects(out)]
        assert messages == ["note: personal data: 2 email", "note: personal data: 1 phone"]
        assert table["clean.text.email"].tolist() == [False, True, True]
        return
    done = "masked" if personal == "mask" else "left"
    assert count.notes == {
        f"personal data in texts, {done}: email": 1,
        f"personal data in texts, {done}: phone": 1,
    }
    first = "write to [EMAIL] or [EMAIL]" if personal == "mask" else "write to ann@example.org"
    assert (texts(out)[0] or "").startswith(first)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"personal": "mask", "phone_regions": ["UK"]}, "'UK' is no region"),
        ({"phone_regions": ["GB"]}, "set personal: mask"),
        ({"personal": "hide"}, "personal"),
        ({"personal": "mask", "personal_kinds": ["mail"]}, "mail"),
    ],
)
def test_mistakes_in_the_options_are_told_before_anything_is_read(
    options: dict[str, Any], told: str
) -> None:
    stage, lines = make("clean.text", Addressed, options, "stages.0")
    assert stage is None
    assert told in " ".join(lines)


def test_without_the_package_the_recipe_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run_recipe: Run
) -> None:
    monkeypatch.setattr(_personal.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(RecipeError, match=r"phonenumberslite.*modalmill\[personal\]"):
        run_recipe(recipe(tmp_path, corpus(tmp_path), [{"clean.text": {"personal": "mask"}}]))
    kinds = {"personal": "mask", "personal_kinds": ["email", "iban", "card", "ip"]}
    run_recipe(recipe(tmp_path, corpus(tmp_path), [{"clean.text": kinds}]))


def test_numbers_in_messages_of_sms_are_found(shared: Path) -> None:
    """Of the groups of eleven digits that begin as British mobile and paid numbers do."""
    with (shared / "sms_spam" / "spam.csv").open(encoding="latin-1", newline="") as file:
        rows = [row[1] for row in csv.reader(file)][1:]
    found: Counter[str] = Counter()
    dialled = known = 0
    for text in rows:
        spans = personal_in(text, KINDS, ["GB"])
        found.update(each.kind for each in spans)
        for match in re.finditer(r"(?<![\d£])0[789]\d{9}(?!\d)", text):
            dialled += 1
            known += any(each.start <= match.start() and match.end() <= each.end for each in spans)
    assert found == {"phone": 421, "email": 7}
    assert dialled > 300
    assert known / dialled > 0.9
