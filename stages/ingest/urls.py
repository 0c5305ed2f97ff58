"""A table of urls: what they lead to is fetched once into a folder below the data root."""

from __future__ import annotations

import posixpath
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar

import pyarrow as pa
import pyarrow.dataset

from ...schemas.contents import Contents, Kind
from ...schemas.errors import DamageError, InputError
from ...schemas.manifest import Row
from ...schemas.record import Fault, Origin, Record, make_key
from .. import template
from ..base import Beat, Noted, Read
from ..media.refusing import one_line
from ._columns import Columns, Mapper
from ._fetched import FetchedFolder
from ._fetching import Fetcher, FetchLimits
from ._places import Places, options_with, own_medium
from ._table import find_dialect, read_rows
from ._values import check_templates
from .jsonl import flatten
from .parquet import arrow_form

_FILE = "__file__"
_ROWS = 1024
_AHEAD = 4  # rows for each worker
_WAIT_S = 1.0
_TABLES = (".parquet", ".arrow", ".feather")


@dataclass(frozen=True, kw_only=True)
class Urls(Columns):
    """Rows of a csv, tsv, Parquet or Arrow table with the url of a medium in each, with the same
    mapping as csv. A url that does not come costs its row, by the reason.

    url: column or template of the url.
    part: the name of the part that it leads to. modality: left out, it follows from the ending of
        the url, or from the first bytes.
    allow: the hosts that may be asked, as ``example.org``, or ``*.example.org`` for all below it.
        Without them nothing is fetched.
    checksum: column or template of an MD5, SHA-1 or SHA-256 that the content must have.
    folder: where fetched files are kept, below ``base``; what lies there is not fetched again.
    max_bytes: of one file. timeout_s: seconds for one attempt, from connecting to the last byte.
    retries: further attempts after a timeout, a broken connection, or an answer that says to come
        again (429, 5xx). backoff_s: seconds before the first of them, doubled each time; as long
        as the server says where it does.
    workers: fetches at the same time.

    What robots.txt of a host forbids to ``modalmill`` is not fetched, and its crawl delay is kept.
    """

    target_kind: ClassVar[Kind | None] = None

    url: str = "{url}"
    part: str = "image"
    modality: str | None = None
    allow: list[str] = field(default_factory=list)
    checksum: str | None = None
    folder: str = "fetched"
    max_bytes: int = 100_000_000
    timeout_s: float = 30.0
    retries: int = 3
    backoff_s: float = 0.5
    workers: int = 8

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.allow:
            raise ValueError(
                "allow: wanted the hosts that may be asked, for example allow: [example.org,"
                " '*.example.org']; found none, and nothing is fetched from elsewhere"
            )
        if self.part in self.media or self.part in self.texts() or self.part in self.table:
            raise ValueError(f"part: {self.part!r} comes from another option already")
        if self.folder.startswith("/") or ".." in self.folder.split("/") or not self.folder:
            raise ValueError(f"folder: wanted a folder below 'base', found {self.folder!r}")
        if min(self.max_bytes, self.timeout_s, self.workers) <= 0 or self.retries < 0:
            raise ValueError("wanted max_bytes, timeout_s and workers above 0, and retries from 0")
        check_templates({"url": self._url(), "checksum": self._checksum()}, template.problems)

    def contents(self) -> Contents:
        told = super().contents()
        return replace(told, parts={self.part: self.modality, **told.parts})

    def fields(self) -> set[str]:
        own = (*template.fields(self._url()), *template.fields(self._checksum() or ""))
        return super().fields() | set(own)

    def read(self, root: Path, name: str, tally: Counter[str], beat: Beat) -> Iterator[Read]:
        limits = FetchLimits(self.max_bytes, self.timeout_s, self.retries, self.backoff_s)
        fetcher = Fetcher(self.allow, limits, self.workers)
        with ThreadPoolExecutor(self.workers) as pool:
            try:
                yield from self._rows(root, name, tally, beat, _Fetching(self, root, fetcher, pool))
            finally:
                pool.shutdown(cancel_futures=True)

    def preview(self, root: Path, name: str, tally: Counter[str], beat: Beat) -> Iterator[Read]:
        yield from self._rows(root, name, tally, beat, _Fetching(self, root))

    def _rows(
        self, root: Path, name: str, tally: Counter[str], beat: Beat, fetching: _Fetching
    ) -> Iterator[Read]:
        file = self.table_file()
        columns, table = _table(root, file)
        self.check(columns, file)
        mapper = Mapper(self._mapping(), root, name, beat, checked=True)
        waiting: deque[tuple[int, Mapping[str, object], _Coming]] = deque()

        def row() -> Row:
            number, values, coming = waiting.popleft()
            tally["rows"] += 1
            try:
                place = coming.file(beat, f"{file}, row {number}")
            except DamageError as error:
                key = make_key(name, f"row-{number}")
                origin = Origin(name, file, number)
                return Row(Record(key, key, origin), Fault(error.rule, message=error.message))
            return mapper.row({**values, _FILE: place}, file, number)

        for number, values, fault in table:
            waiting.append((number, values, fetching.coming(values, fault)))
            if len(waiting) > _AHEAD * self.workers:
                yield row()
        while waiting:
            yield row()
        yield from (Noted(what, count) for what, count in sorted(fetching.told.items()))
        yield from mapper.rest(file, tally)

    def _mapping(self) -> Places:
        """The mapping with the fetched file among its media."""
        media = {self.part: own_medium(_FILE, self.modality), **self.media}
        # as the dataclass has it: these are its own options
        return Places(**options_with(self, {"media": media}))  # type: ignore[arg-type]

    def _url(self) -> str:
        return self.url if "{" in self.url else "{" + self.url + "}"

    def _checksum(self) -> str | None:
        text = self.checksum
        return text if text is None or "{" in text else "{" + text + "}"


@dataclass(slots=True)
class _Coming:
    """A file that was fetched, is being fetched, or will not come.

    fault: rule and message of what is wrong with its row.
    """

    fetching: _Fetching
    name: str | None = None
    future: Future[str] | None = None
    checksum: str | None = None
    fault: tuple[str, str] | None = None

    def file(self, beat: Beat, where: str) -> str | None:
        """Its place below the source's base, once it is there; None where it is none of a row.
        ``beat`` is told while it is waited for.
        """
        if self.fault is not None:
            raise DamageError(*self.fault)
        while self.future is not None:
            try:
                self.name, self.future = self.future.result(_WAIT_S), None
            except TimeoutError:
                beat(where)
        if self.name is None:
            return None
        if self.checksum is not None:
            self.fetching.folder.check(self.name, self.checksum)
        return posixpath.join(self.fetching.source.folder, self.name)


class _Fetching:
    """What the rows of a table lead to, fetched ahead of them by a pool of threads; without one,
    what was fetched before.
    """

    def __init__(
        self,
        source: Urls,
        root: Path,
        fetcher: Fetcher | None = None,
        pool: ThreadPoolExecutor | None = None,
    ) -> None:
        self.source = source
        self.folder = FetchedFolder(root / source.base / source.folder)
        self.told: Counter[str] = Counter()
        self._fetcher, self._pool = fetcher, pool
        self._futures: dict[str, Future[str]] = {}

    def coming(self, values: Mapping[str, object], fault: tuple[str, str] | None) -> _Coming:
        """What a row leads to."""
        if fault is not None:
            return _Coming(self, fault=fault)
        try:
            url = (template.fill(self.source._url(), values) or "").strip()
            checksum = template.fill(self.source._checksum() or "", values)
        except ValueError as error:
            return _Coming(self, fault=("bad_value", f"a value cannot be read: {error}"))
        if not url:
            return _Coming(self)
        known = self.folder.known(url)
        if known is not None:
            self.told["urls whose files were fetched before"] += 1
            return _Coming(self, known, checksum=checksum or None)
        if self._pool is None or self._fetcher is None:
            self.told["urls that a run would fetch"] += 1
            return _Coming(self)
        future = self._futures.get(url)
        if future is None:
            self.told["urls fetched"] += 1
            future = self._pool.submit(self.folder.fetched, url, self._fetcher)
            self._futures[url] = future
            future.add_done_callback(lambda _: self._futures.pop(url, None))
        return _Coming(self, future=future, checksum=checksum or None)


def _table(
    root: Path, file: str
) -> tuple[list[str], Iterator[tuple[int, Mapping[str, object], tuple[str, str] | None]]]:
    """The columns of a table, and its rows: number, values, and what is wrong with it."""
    path = root / file
    if path.suffix.lower() not in _TABLES:
        dialect = find_dialect(path)
        rows = (
            (row.number, row.cells, _row_fault(row.fault, row.found, len(row.extra)))
            for row in read_rows(path, dialect)
        )
        return [name for name in dialect.header if name], rows
    try:
        table = pa.dataset.dataset(path, format=arrow_form(path))
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path}: the table cannot be read: {one_line(error)}") from None
    return list(table.schema.names), _arrow_rows(path, table)


def _row_fault(fault: str, found: str, extra: int) -> tuple[str, str] | None:
    if fault:
        return fault, f"the row is not whole: {found}"
    if extra:
        return "stray_columns", f"{extra} cells beyond the named columns"
    return None


def _arrow_rows(
    path: Path, table: pa.dataset.Dataset
) -> Iterator[tuple[int, Mapping[str, object], None]]:
    number = 0
    try:
        for batch in table.to_batches(batch_size=_ROWS):
            for value in batch.to_pylist():
                number += 1
                yield number, flatten(value), None
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path}: the table cannot be read: {one_line(error)}") from None
