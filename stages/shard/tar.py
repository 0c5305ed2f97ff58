"""Plain ustar members (POSIX.1-1988): a header of 512 bytes, the data, zeros up to the next 512.

Time, user, group and mode are fixed integers, so that the same samples make the same bytes; a
fractional time would make readers parse a second header for each member and tars grow by a tenth.
"""

from __future__ import annotations

from ...schemas.errors import DamageError

BLOCK = 512
END = b"\0" * (2 * BLOCK)
LARGEST_MEMBER = 8**11 - 1
_TAIL = (
    b"ustar\x0000"
    + b"modalmill".ljust(32, b"\0")
    + b"modalmill".ljust(32, b"\0")
    + b"0000000\x000000000\x00"
    + b"\0" * 167
)
_MIDDLE = b"0000644\x000001000\x000001000\x00"
_TIME = b"%011o\x00" % 1_000_000_000
_REST = b"0" + b"\0" * 100 + _TAIL
# of all that is the same in every header; the checksum counts as 8 spaces
_FIXED_SUM = sum(_MIDDLE) + sum(_TIME) + sum(_REST) + 8 * 32


def header(name: str, size: int) -> bytes:
    """The header of a member; DamageError for a name of more than 100 bytes or 8 GiB of data."""
    raw = name.encode()
    if len(raw) > 100:
        raise DamageError(
            "name_too_long", f"the member name {name!r} has {len(raw)} bytes; a plain tar takes 100"
        )
    if size > LARGEST_MEMBER:
        raise DamageError(
            "member_too_large", f"{name} has {size:,} bytes; a plain tar takes {LARGEST_MEMBER:,}"
        )
    digits = b"%011o\x00" % size
    checksum = sum(raw) + sum(digits) + _FIXED_SUM
    return b"".join((raw.ljust(100, b"\0"), _MIDDLE, digits, _TIME, b"%06o\x00 " % checksum, _REST))


def padding(size: int) -> bytes:
    """The zeros after a member's data."""
    return b"\0" * (-size % BLOCK)
