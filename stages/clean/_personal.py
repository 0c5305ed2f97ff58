"""Personal data in texts: addresses and numbers that lead to somebody, each confirmed by what its
standard says of it, so that prices, dates and ids are left alone.
"""

from __future__ import annotations

import functools
import importlib.util
import ipaddress
import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Literal, NamedTuple, TypeAlias, get_args

from ...schemas.errors import MissingPackageError
from ...schemas.record import Cue

Kind: TypeAlias = Literal["email", "phone", "card", "iban", "ip"]
KINDS: tuple[Kind, ...] = get_args(Kind)
MASKS: dict[Kind, str] = {kind: f"[{kind.upper()}]" for kind in KINDS}

_EMAIL = re.compile(
    r"(?<![\w.+%-])\w(?:[\w.+%-]{0,62}[\w+%-])?@(?:\w(?:[\w-]{0,61}\w)?\.){1,8}[^\W\d_]{2,24}(?![\w-])"
)
# digits in groups, with single spaces or hyphens between them
_GROUPS = re.compile(r"(?<![\w.,+])[0-9]+(?:([ -])[0-9]+(?:\1[0-9]+)*)?(?![.,][0-9]|\w)")
_ONE_GROUP = re.compile(r"[0-9]+")
_MAY_BE_CARD = re.compile(r"(?:[0-9][ -]?){13}")
_CARD_LENGTHS = range(13, 20)
# how many digits stand in the groups of printed cards
_PRINTED = (*((4, 4, 4, 4, rest) for rest in (3, 2, 1)), (4, 4, 4, 4), (4, 6, 5), (4, 6, 4))
_IBAN_HEAD = re.compile(r"(?<!\w)[A-Za-z]{2}[0-9]{2}(?=[ -]?[A-Za-z0-9])")
_IPV4 = re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?!\.?\w)")
_IPV6 = re.compile(r"(?<![\w:.])(?=[\dA-Fa-f:]{0,4}:)[\dA-Fa-f:]{4,39}(?![\w:.]\w|\w)")
_OF_VERSION = re.compile(r"\b(?:v|ver|version|release|section|build)[.:]?\s*\Z", re.IGNORECASE)
_MAY_BE_PHONE = re.compile(r"\+?\d(?:[\s().\-/\u2010-\u2015\u00a0]*\d){5}")
# ISO 13616: characters of an IBAN by its country
_IBAN_LENGTHS = {
    country: int(length)
    for length, countries in {
        "15": "NO", "16": "BE", "18": "DK FI FK FO GL NL SD", "19": "MK SI",
        "20": "AT BA EE KZ LT LU MN XK", "21": "CH HR LI LV",
        "22": "BG BH CR DE GB GE IE ME RS VA", "23": "AE GI IL IQ OM SO TL",
        "24": "AD CZ ES MD PK RO SA SE SK TN VG", "25": "LY PT ST", "26": "IS TR",
        "27": "BI DJ FR GR IT MC MR SM", "28": "AL AZ BY CY DO GT HN HU LB NI PL SV",
        "29": "BR EG PS QA UA", "30": "JO KW MU YE", "31": "MT SC", "32": "LC", "33": "RU",
    }.items()
    for country in countries.split()
}  # fmt: skip
# ISO/IEC 7812: first digits of the cards that are in use, and how many digits they have
_CARDS = (
    (re.compile(r"4"), (13, 16, 19)),  # Visa
    (re.compile(r"5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720"), (16,)),  # Mastercard
    (re.compile(r"3[47]"), (15,)),  # American Express
    (re.compile(r"3(?:0[0-5]|[689])"), (14, 15, 16, 17, 18, 19)),  # Diners Club
    (re.compile(r"35(?:2[89]|[3-8])"), (16, 17, 18, 19)),  # JCB
    (re.compile(r"6011|6[245]"), (16, 17, 18, 19)),  # Discover, UnionPay
    (re.compile(r"5[0678]|6[379]"), (13, 14, 15, 16, 17, 18, 19)),  # Maestro
    (re.compile(r"220[0-4]"), (16, 17, 18, 19)),  # Mir
)


class Personal(NamedTuple):
    """Characters [start, end) of a text that are personal data of one kind."""

    start: int
    end: int
    kind: Kind


def personal_in(text: str, kinds: Sequence[Kind], regions: Sequence[str] = ()) -> list[Personal]:
    """The personal data of a text, in their order; none overlaps another.

    email: an address in the form of RFC 5322 that people use, at a name with dots. card: 13 to 19
    digits of a network that issues cards, with the check digit of Luhn (ISO/IEC 7812), alone or in
    the groups that are printed. iban: of the length of its country, with the check digits of ISO
    7064 mod 97 (ISO 13616). ip: an IPv4 or IPv6 address of one machine, none that is loopback,
    multicast, reserved or no address, and no number of a version. phone: a valid number by
    libphonenumber, with ``+`` and its country, or as it is dialled in one of ``regions`` (ISO
    3166).

    >>> personal_in("mail ann@example.org, pay 4111 1111 1111 1111", ("email", "card"))
    [Personal(start=5, end=20, kind='email'), Personal(start=26, end=45, kind='card')]
    """
    found: list[Personal] = []
    # what is surer comes first: digits within an IBAN are no telephone
    for kind in ("email", "iban", "card", "ip", "phone"):
        if kind in kinds:
            spans = _phones(text, regions) if kind == "phone" else _FINDERS[kind](text)
            for start, end in spans:
                if all(end <= other.start or other.end <= start for other in found):
                    found.append(Personal(start, end, kind))
    return sorted(found)


def masked(text: str, found: Sequence[Personal]) -> str:
    """The text with a mask in the place of each."""
    for start, end, kind in reversed(found):
        text = text[:start] + MASKS[kind] + text[end:]
    return text


def masked_cues(cues: Sequence[Cue], find: Callable[[str], list[Personal]]) -> list[Cue]:
    """Cues with masks in the place of what is found in all of them together. Cues that share
    something (the digits of a number, each said at its time) become one, from the start of the
    first to the end of the last.
    """
    whole = " ".join(cue.text for cue in cues)
    # a space stands behind each
    starts = list(itertools.accumulate((len(cue.text) + 1 for cue in cues), initial=0))
    found, united = find(whole), list[Cue]()
    place = 0
    while place < len(cues):
        last = place
        end = starts[last] + len(cues[last].text)
        while any(each.start < end < each.end for each in found):
            last += 1
            end = starts[last] + len(cues[last].text)
        first = starts[place]
        own = [
            each._replace(start=each.start - first, end=each.end - first)
            for each in found
            if first <= each.start < end
        ]
        text = masked(whole[first:end], own)
        united.append(Cue(cues[place].start_s, cues[last].end_s, text))
        place = last + 1
    return united


def check_phone_numbers(regions: Sequence[str], wanted_by: str) -> None:
    """MissingPackageError where libphonenumber is not installed, ValueError for regions that it
    does not know.
    """
    if importlib.util.find_spec("phonenumbers") is None:
        raise MissingPackageError("phonenumberslite", "personal", wanted_by)
    from phonenumbers import SUPPORTED_REGIONS

    for region in regions:
        if region not in SUPPORTED_REGIONS:
            raise ValueError(
                f"phone_regions: {region!r} is no region; wanted codes of ISO 3166 like GB, US, DE"
            )


def has_luhn_digit(digits: str) -> bool:
    """Whether the last digit is the check digit of Luhn (ISO/IEC 7812-1, annex B).

    >>> has_luhn_digit("79927398713"), has_luhn_digit("79927398710")
    (True, False)
    """
    total = 0
    for place, digit in enumerate(map(int, reversed(digits))):
        doubled = digit * (1 + place % 2)
        total += doubled - 9 * (doubled > 9)
    return total % 10 == 0


def has_iban_digits(iban: str) -> bool:
    """Whether the check digits of an IBAN without spaces are right (ISO 7064, mod 97-10).

    >>> has_iban_digits("GB82WEST12345698765432"), has_iban_digits("GB83WEST12345698765432")
    (True, False)
    """
    return int("".join(str(int(letter, 36)) for letter in iban[4:] + iban[:4])) % 97 == 1


Spans: TypeAlias = Iterator[tuple[int, int]]


def _emails(text: str) -> Spans:
    if "@" not in text:
        return
    for match in _EMAIL.finditer(text):
        if ".." not in match[0]:
            yield match.span()


def _cards(text: str) -> Spans:
    if not _MAY_BE_CARD.search(text):
        return
    for match in _GROUPS.finditer(text):
        groups = [
            (match.start() + group.start(), group[0]) for group in _ONE_GROUP.finditer(match[0])
        ]
        place = 0
        while place < len(groups):
            count = _groups_of_card([digits for _, digits in groups[place:]])
            if count:
                last, digits = groups[place + count - 1]
                yield groups[place][0], last + len(digits)
            place += count or 1


def _groups_of_card(groups: Sequence[str]) -> int:
    """How many groups of digits from the first on are a card; 0 where none are."""
    lengths = tuple(map(len, groups[:5]))
    shapes = [shape for shape in _PRINTED if lengths[: len(shape)] == shape]
    if lengths[0] in _CARD_LENGTHS:
        shapes.append((lengths[0],))
    for shape in shapes:
        digits = "".join(groups[: len(shape)])
        is_issued = any(first.match(digits) and len(digits) in own for first, own in _CARDS)
        if is_issued and has_luhn_digit(digits):
            return len(shape)
    return 0


def _ibans(text: str) -> Spans:
    for head in _IBAN_HEAD.finditer(text):
        length = _IBAN_LENGTHS.get(head[0][:2].upper())
        whole = length and _iban_of(length).match(text, head.start())
        if whole and has_iban_digits(re.sub("[ -]", "", whole[0]).upper()):
            yield whole.span()


@functools.cache
def _iban_of(length: int) -> re.Pattern[str]:
    """An IBAN of so many characters, in one or in the groups that are printed."""
    return re.compile(rf"[A-Za-z0-9](?:[ -]?[A-Za-z0-9]){{{length - 1}}}(?!\w)")


def _addresses(text: str) -> Spans:
    for match in _IPV4.finditer(text) if text.count(".") > 2 else ():
        if _names_a_machine(match[0]) and not _OF_VERSION.search(text, 0, match.start()):
            yield match.span()
    for match in _IPV6.finditer(text) if text.count(":") > 1 else ():
        address = match[0].rstrip(":") if not match[0].endswith("::") else match[0]
        # a::b is code, and 10:20:30 a time
        is_long = any(len(group) > 2 for group in address.split(":"))
        if address.count(":") > 1 and is_long and _names_a_machine(address):
            yield match.start(), match.start() + len(address)


def _names_a_machine(text: str) -> bool:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    return not (
        address.is_loopback or address.is_multicast or address.is_reserved or address.is_unspecified
    )


def _phones(text: str, regions: Sequence[str]) -> Spans:
    if not _MAY_BE_PHONE.search(text):
        return
    from phonenumbers import Leniency, PhoneNumberMatcher

    for region in regions or (None,):
        for match in PhoneNumberMatcher(text, region, leniency=Leniency.VALID):
            yield match.start, match.end


_FINDERS: dict[str, Callable[[str], Spans]] = {
    "email": _emails,
    "iban": _ibans,
    "card": _cards,
    "ip": _addresses,
}
