"""Whatever a decoder raises is the medium's fault: libraries raise nearly anything on damaged
files.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ...schemas.errors import DamageError, ModalmillError

_LONGEST = 200


@contextmanager
def refusing(rule: str, what: str) -> Iterator[None]:
    """Any exception in here becomes a DamageError with this rule; also a decorator of a function
    that decodes.

    Errors of ours say more than this could, and lack of memory or of a package is no property of
    the medium: they go through as they are.
    """
    try:
        yield
    except (ModalmillError, MemoryError, ImportError):
        raise
    except Exception as error:
        raise DamageError(rule, f"{what}: {one_line(error)}") from error


def one_line(error: BaseException) -> str:
    """An exception as a short line, without addresses in memory, which differ from run to run."""
    text = " ".join(str(error).split())[:_LONGEST]
    return type(error).__name__ if not text or " object at 0x" in text else text
