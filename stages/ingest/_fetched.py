"""A folder of fetched files: each by the SHA-256 of its content, and a list of which url gave
which.

    fetched/3f/3f9a...c1.jpg      the content
    fetched/fetched.jsonl         {"url": ..., "file": "3f/3f9a...c1.jpg", "bytes": 20480}, by line
"""

from __future__ import annotations

import hashlib
import json
import mimetypes
import os
import posixpath
import threading
from pathlib import Path
from urllib.parse import urlsplit

from ...schemas.disk import replacing, storage_error
from ...schemas.errors import DamageError
from ..modality import by_ending
from ._endings import HEAD_BYTES, ending_of
from ._fetching import Fetched, Fetcher

LIST_FILE = "fetched.jsonl"
_CHECKSUMS = {32: "md5", 40: "sha1", 64: "sha256"}  # by their length in hexadecimal digits


class FetchedFolder:
    """Files by url, in a folder that is made when the first of them comes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()  # two urls may lead to the same content
        self._files: dict[str, str] = {}
        try:
            text = (folder / LIST_FILE).read_text("utf-8", "replace")
        except OSError:
            text = ""
        # a writer was stopped in the middle of its line
        self._before = "" if not text or text.endswith("\n") else "\n"
        for line in text.splitlines():
            try:
                entry = json.loads(line)
                if (folder / entry["file"]).stat().st_size == entry["bytes"]:
                    self._files[entry["url"]] = entry["file"]
            except (ValueError, KeyError, TypeError, OSError):
                continue  # a line that was cut, or a file that has gone: fetched again

    def known(self, url: str) -> str | None:
        """The file that a url gave, below the folder; None where it was not fetched."""
        return self._files.get(url)

    def fetched(self, url: str, fetcher: Fetcher) -> str:
        """The file that a url gives, fetched now; DamageError where it does not come."""
        fetcher.check(url)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            aside = self._folder / f".{hashlib.sha256(url.encode()).hexdigest()}.{os.getpid()}.tmp"
            try:
                return self._kept(url, fetcher.fetch(url, aside), aside)
            finally:
                aside.unlink(missing_ok=True)
        except OSError as error:
            raise storage_error(error, self._folder) from error

    def _kept(self, url: str, fetched: Fetched, aside: Path) -> str:
        if fetched.media_type.startswith("text/"):
            raise DamageError(
                "not_media", f"{url}: the server sent {fetched.media_type}, and no medium"
            )
        with open(aside, "rb") as file:
            head = file.read(HEAD_BYTES)
        ending = _ending(url, head, fetched.media_type)
        name = f"{fetched.sha256[:2]}/{fetched.sha256}{ending}"
        line = json.dumps({"url": url, "file": name, "bytes": fetched.size}) + "\n"
        with self._lock:
            with replacing(self._folder / name) as path:
                os.replace(aside, path)
            # one write of one line: another run may add its own at the same time
            with open(self._folder / LIST_FILE, "ab", buffering=0) as file:
                file.write(f"{self._before}{line}".encode())
            self._before = ""
            self._files[url] = name
        return name

    def check(self, name: str, checksum: str) -> None:
        """DamageError where a file has not this checksum: MD5, SHA-1 or SHA-256 in hexadecimal."""
        wanted = checksum.strip().lower()
        kind = _CHECKSUMS.get(len(wanted), "") if not wanted.strip("0123456789abcdef") else ""
        if not kind:
            raise DamageError(
                "bad_checksum",
                f"{checksum[:80]!r} is no checksum; wanted an MD5, SHA-1 or SHA-256 in hexadecimal",
            )
        with open(self._folder / name, "rb") as file:
            found = hashlib.file_digest(file, kind).hexdigest()
        if found != wanted:
            raise DamageError("checksum", f"what came has the {kind} {found}, wanted {wanted}")


def _ending(url: str, head: bytes, media_type: str) -> str:
    """The ending of a file: as its url has it, else by its first bytes, else by its type."""
    of_url = posixpath.splitext(urlsplit(url).path)[1].lower()
    guesses = (of_url, ending_of(head), mimetypes.guess_extension(media_type) or "")
    return next((ending for ending in guesses if ending and by_ending(ending)), "")
