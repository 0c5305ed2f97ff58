"""Telling tars behind a url what will be read, before a worker waits for it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from ..order.batches import Job
from .index import Index


def announced(
    jobs: Iterator[Job], index: Index, parts: tuple[str, ...], most_bytes: int
) -> Iterator[Job]:
    """The same jobs; the media of those that follow are being fetched meanwhile, ``most_bytes`` of
    them.
    """
    media = [name for name in parts if name in index.spans]
    ahead: deque[tuple[Job, int]] = deque()
    coming = 0
    for job in jobs:
        size = sum(index.want(name, job.records.tolist()) for name in media)
        ahead.append((job, size))
        coming += size
        while coming > most_bytes:
            first, size = ahead.popleft()
            coming -= size
            yield first
    yield from (job for job, _ in ahead)
