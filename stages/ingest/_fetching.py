"""Fetching by HTTP what a table names: from hosts on a list alone, as their robots.txt allows (RFC
9309), with retries, a deadline and a limit of size.
"""

from __future__ import annotations

import fnmatch
import hashlib
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urljoin, urlsplit
from urllib.robotparser import RobotFileParser

import urllib3

from ... import __version__
from ...schemas.errors import DamageError

AGENT = f"modalmill/{__version__}"
_CHUNK = 1 << 16
_MOST_REDIRECTS = 5
_AGAIN = (408, 425, 429, 500, 502, 503, 504)
_REDIRECTS = (301, 302, 303, 307, 308)
_LONGEST_PAUSE_S = 60.0
_LONGEST_DELAY_S = 30.0
_ROBOTS_BYTES = 500 << 10  # more need not be read, says RFC 9309


@dataclass(frozen=True, slots=True)
class FetchLimits:
    """What a fetch may cost. timeout_s: of one attempt, from connecting to the last byte.
    backoff_s: before the first retry, doubled for each that follows.
    """

    max_bytes: int
    timeout_s: float
    retries: int
    backoff_s: float


@dataclass(frozen=True, slots=True)
class Fetched:
    """What came: how long it is, its SHA-256, and its type as the server says it."""

    size: int
    sha256: str
    media_type: str


class _Again(Exception):
    """It may come at the next attempt. after_s: when the server says so."""

    def __init__(self, error: DamageError, after_s: float = 0.0) -> None:
        super().__init__(str(error))
        self.error = error
        self.after_s = after_s


@dataclass(slots=True)
class _Host:
    """What is known of a host: what its robots.txt allows, and when it may be asked next."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    robots: RobotFileParser | None = None
    delay_s: float = 0.0
    next_at: float = 0.0


class Fetcher:
    """Fetches files, several at once. allow: hosts that may be asked, ``*.example.org`` for those
    below one.
    """

    def __init__(self, allow: Sequence[str], limits: FetchLimits, workers: int) -> None:
        self._allow = [pattern.lower() for pattern in allow]
        self._limits = limits
        self._pool = urllib3.PoolManager(
            maxsize=workers,
            headers={"User-Agent": AGENT, "Accept-Encoding": "identity"},
            retries=False,
        )
        self._hosts: dict[str, _Host] = {}
        self._lock = threading.Lock()

    def fetch(self, url: str, to: Path) -> Fetched:
        """Write what a url leads to into a file; DamageError where it does not come, by reason."""
        limits = self._limits
        for attempt in range(limits.retries + 1):
            try:
                return self._followed(url, to)
            except _Again as again:
                if attempt == limits.retries:
                    raise again.error from None
                pause = max(limits.backoff_s * 2**attempt, again.after_s)
                time.sleep(min(pause, _LONGEST_PAUSE_S))
        raise AssertionError("the last attempt gives or raises")

    def _followed(self, url: str, to: Path) -> Fetched:
        end = time.monotonic() + self._limits.timeout_s
        place = url
        for _ in range(_MOST_REDIRECTS + 1):
            self.check(place)
            self._ask_robots(place, end)
            answer = self._request(place, end)
            try:
                if answer.status not in _REDIRECTS:
                    return self._received(place, answer, to, end)
                target = answer.headers.get("Location", "")
            finally:
                answer.release_conn()
            place = urljoin(place, target)
        raise DamageError("redirects", f"{url}: more than {_MOST_REDIRECTS} redirects")

    def check(self, url: str) -> None:
        """DamageError where a url is none, or its host is not on the list."""
        try:
            parts = urlsplit(url)
            host = (parts.hostname or "").lower()
            _ = parts.port
        except ValueError:
            host = ""
        if not host or parts.scheme not in ("http", "https") or any(map(str.isspace, url)):
            raise DamageError("bad_url", f"{url[:200]!r}: wanted http://... or https://...")
        if not any(fnmatch.fnmatchcase(host, pattern) for pattern in self._allow):
            raise DamageError(
                "not_allowed", f"{url}: the host {host} is not under 'allow', and is not asked"
            )

    def _ask_robots(self, url: str, end: float) -> None:
        """DamageError where robots.txt of the host forbids it; waits as long as that asks for."""
        parts = urlsplit(url)
        top = f"{parts.scheme}://{parts.netloc}"
        with self._lock:
            host = self._hosts.setdefault(top, _Host())
        with host.lock:
            if host.robots is None:
                host.robots = self._robots(top, end)
                delay = host.robots.crawl_delay(AGENT)
                host.delay_s = min(float(delay or 0.0), _LONGEST_DELAY_S)
            now = time.monotonic()
            wait = max(0.0, host.next_at - now)
            host.next_at = now + wait + host.delay_s
        if not host.robots.can_fetch(AGENT, url):
            raise DamageError("robots", f"{url}: robots.txt of the host forbids it")
        time.sleep(wait)

    def _robots(self, top: str, end: float) -> RobotFileParser:
        parser = RobotFileParser()
        place = f"{top}/robots.txt"
        for _ in range(_MOST_REDIRECTS + 1):
            answer = self._request(place, end)
            try:
                if answer.status in _REDIRECTS:
                    place = urljoin(place, answer.headers.get("Location", ""))
                    self.check(place)
                    continue
                if answer.status >= 500:
                    # unreachable: all is forbidden until it is there again
                    raise _Again(
                        DamageError("robots", f"{place}: HTTP {answer.status}; nothing is fetched")
                    )
                text = b"" if answer.status >= 400 else answer.read(_ROBOTS_BYTES)
                parser.parse(text.decode("utf-8", "replace").splitlines())
                return parser
            except urllib3.exceptions.HTTPError as error:
                raise _again(place, error) from None
            finally:
                answer.release_conn()
        raise DamageError("robots", f"{place}: more than {_MOST_REDIRECTS} redirects")

    def _request(self, url: str, end: float) -> urllib3.BaseHTTPResponse:
        left = max(0.001, end - time.monotonic())
        try:
            return self._pool.request(
                "GET",
                url,
                redirect=False,
                preload_content=False,
                timeout=urllib3.Timeout(connect=left, read=left),
            )
        except (urllib3.exceptions.HTTPError, UnicodeError) as error:
            raise _again(url, error) from None

    def _received(
        self, url: str, answer: urllib3.BaseHTTPResponse, to: Path, end: float
    ) -> Fetched:
        if answer.status in _AGAIN:
            wait = answer.headers.get("Retry-After", "")
            after_s = float(wait) if wait.isascii() and wait.isdigit() else 0.0
            raise _Again(_status(url, answer.status), after_s)
        if answer.status != 200:
            raise _status(url, answer.status)
        most = self._limits.max_bytes
        claimed = answer.headers.get("Content-Length", "")
        if claimed.isascii() and claimed.isdigit() and int(claimed) > most:
            raise _too_large(url, int(claimed), most)
        hasher, size = hashlib.sha256(), 0
        try:
            with open(to, "wb") as file:
                for chunk in answer.stream(_CHUNK, decode_content=False):
                    size += len(chunk)
                    if size > most:
                        raise _too_large(url, size, most)
                    if time.monotonic() > end:
                        raise _Again(
                            DamageError(
                                "timeout",
                                f"{url}: {size:,} bytes came within {self._limits.timeout_s:g} s,"
                                " and not all of it",
                            )
                        )
                    hasher.update(chunk)
                    file.write(chunk)
        except urllib3.exceptions.HTTPError as error:
            raise _again(url, error) from None
        if size == 0:
            raise DamageError("file_empty", f"{url}: zero bytes came")
        media_type = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        return Fetched(size, hasher.hexdigest(), media_type)


def _status(url: str, status: int) -> DamageError:
    return DamageError(f"http_{status}", f"{url}: HTTP {status}")


def _too_large(url: str, size: int, most: int) -> DamageError:
    return DamageError(
        "too_large", f"{url}: {size:,} bytes or more; at most {most:,} are taken (max_bytes)"
    )


def _again(url: str, error: Exception) -> _Again:
    """What an error of the connection is called."""
    is_refused = isinstance(error, urllib3.exceptions.NewConnectionError)
    if isinstance(error, urllib3.exceptions.TimeoutError) and not is_refused:
        return _Again(DamageError("timeout", f"{url}: no answer in time"))
    if isinstance(error, urllib3.exceptions.SSLError):
        return _Again(DamageError("tls", f"{url}: no trusted connection"))
    if isinstance(error, (urllib3.exceptions.ProtocolError, urllib3.exceptions.IncompleteRead)):
        return _Again(DamageError("connection", f"{url}: the connection was broken off"))
    return _Again(DamageError("connection", f"{url}: the host cannot be reached"))
