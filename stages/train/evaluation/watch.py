"""How long work shows that it goes on: a context that takes (done, total) meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TypeAlias

from ...stream import FusionBatch, Stream

# name of the work, unit -> the context
Watch: TypeAlias = Callable[[str, str], AbstractContextManager[Callable[[int, int], None]]]


def unwatched(name: str, unit: str) -> AbstractContextManager[Callable[[int, int], None]]:
    """A watch that nobody sees."""
    return nullcontext(lambda done, total: None)


@contextmanager
def watched(stream: Stream, name: str, watch: Watch) -> Iterator[Iterator[FusionBatch]]:
    """The batches of a stream, counted while they are taken."""
    total, done = len(stream.index), 0

    def batches() -> Iterator[FusionBatch]:
        nonlocal done
        for batch in stream:
            yield batch
            done = min(total, done + len(batch))
            advance(done, total)

    with watch(name, "records") as advance:
        yield batches()
