"""Shards behind urls give the same batches as those on this disk, whatever the server, the cache or
a kill does in between.
"""

from __future__ import annotations

import contextlib
import http.server
import logging
import os
import re
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

import boto3
import moto.server
import pytest
import werkzeug.serving
from modalmill.schemas.errors import InputError, IntegrityError, MissingPackageError
from modalmill.stages import stream
from modalmill.stages.stream.shards import chunk_cache, remote
from streams import contents, samples, tar
from torch.utils.data import DataLoader

PARTS = {"image": stream.BytesSpec(), "audio": stream.BytesSpec()}


class Server:
    """moto's S3 behind a loopback port; slow, busy or cut off when a test wants it. requested:
    (path, range) of every read of an object.
    """

    def __init__(self) -> None:
        self._app: Any = moto.server.DomainDispatcherApplication(moto.server.create_backend_app)
        self._lock = threading.Lock()
        self.calm()
        self._server = werkzeug.serving.make_server("127.0.0.1", 0, self._answer, threaded=True)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self.options = {
            "endpoint_url": self.url,
            "key": "x",
            "secret": "y",
            "config_kwargs": {"retries": {"max_attempts": 1}},
        }
        self.client = boto3.client(
            "s3",
            endpoint_url=self.url,
            aws_access_key_id="x",
            aws_secret_access_key="y",
            region_name="us-east-1",
        )
        self.client.create_bucket(Bucket="bucket")

    def calm(self) -> None:
        self.latency_s, self.busy, self.cut, self.at_once, self.most_at_once = 0.0, 0, 0, 0, 0
        self.requested: list[tuple[str, str]] = []

    def put(self, folder: Path, prefix: str) -> None:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                self.client.upload_file(str(path), "bucket", f"{prefix}/{path.relative_to(folder)}")

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        reads = environ["REQUEST_METHOD"] == "GET" and "HTTP_RANGE" in environ
        with self._lock:
            busy, cut = reads and self.busy > 0, reads and self.cut > 0
            self.busy -= busy
            self.cut -= cut and not busy
            if reads:
                self.requested.append((environ["PATH_INFO"], environ["HTTP_RANGE"]))
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            time.sleep(self.latency_s)
            if busy:
                start("503 Slow Down", [("Content-Type", "text/plain")])
                return [b"too many requests"]
            body = b"".join(self._app(environ, start))
            return [body[: len(body) // 2]] if cut else [body]
        finally:
            with self._lock:
                self.at_once -= 1


@pytest.fixture(scope="module")
def served(uneven_shards: Path) -> Iterator[Server]:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # a line for each request
    one = Server()
    one.put(uneven_shards.parent, "set")
    yield one
    one.close()


@pytest.fixture
def server(served: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    monkeypatch.setattr(remote, "_FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(remote, "CHUNK_BYTES", 8192)
    served.calm()
    return served


def opened(
    server: Server, cache: Path, url: Any = "s3://bucket/set", **options: Any
) -> stream.Stream:
    return stream.open(
        url,
        **{
            "parts": PARTS,
            "batch_size": 20,
            "cache": cache,
            "storage_options": server.options,
            **options,
        },
    )


def lists(batches: Any) -> list[tuple[list[str], list[Any]]]:
    return [(batch.keys, [*batch.lists["image"], *batch.lists["audio"]]) for batch in batches]


@pytest.fixture
def wanted(uneven_shards: Path) -> list[Any]:
    """Two epochs as they are read from this disk."""
    local = stream.open(uneven_shards, parts=PARTS, batch_size=20, shuffle=stream.Blocks())
    return lists(local) + lists(local)


def test_a_remote_set_gives_what_the_local_one_gives(
    server: Server, tmp_path: Path, wanted: list[Any]
) -> None:
    with opened(server, tmp_path) as one:
        assert lists(one) + lists(one) == wanted
    assert len(set(server.requested)) == len(server.requested)  # each chunk came once
    server.calm()
    with opened(server, tmp_path) as again:
        assert lists(again) + lists(again) == wanted
    assert server.requested == []  # and no chunk a second time


def test_a_chunk_that_is_let_go_before_it_is_read_is_not_fetched_again(
    server: Server, tmp_path: Path, wanted: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a busy machine others may come between the bringing of a chunk and its reading: here none
    is kept open at all.
    """
    monkeypatch.setattr(chunk_cache, "_OPEN_CHUNKS", 0)
    with opened(server, tmp_path) as one:
        assert lists(one) + lists(one) == wanted
    assert len(set(server.requested)) == len(server.requested) > 0


@pytest.mark.parametrize("backend", ["threads", "processes"])
def test_decoding_workers_share_the_cache(
    server: Server, tmp_path: Path, uneven_shards: Path, backend: Literal["threads", "processes"]
) -> None:
    parts = {
        "image": stream.ImageSpec(size=24, crop="random"),
        "audio": stream.AudioSpec(rate_hz=8000, seconds=0.2),
    }
    local = contents(
        stream.open(uneven_shards, parts=parts, batch_size=20, shuffle=stream.Blocks())
    )
    with opened(server, tmp_path, parts=parts, workers=2, backend=backend) as one:
        assert contents(one) == local
    with opened(server, tmp_path, parts=parts, workers=0) as one:
        loader = DataLoader(one, batch_size=None, num_workers=2)
        assert contents(loader) == local


def test_reads_run_ahead_beside_each_other(
    server: Server, tmp_path: Path, wanted: list[Any]
) -> None:
    server.latency_s = 0.03
    with opened(server, tmp_path) as one:
        assert lists(one) + lists(one) == wanted
    assert server.most_at_once >= 4


def test_busy_answers_and_cut_connections_are_tried_again(
    server: Server, tmp_path: Path, wanted: list[Any]
) -> None:
    server.busy, server.cut = 3, 3
    with opened(server, tmp_path) as one:
        assert lists(one) + lists(one) == wanted
    assert server.busy == server.cut == 0
    assert len(server.requested) == len(set(server.requested)) + 6


def test_a_server_that_stays_broken_is_one_clear_error(server: Server, tmp_path: Path) -> None:
    with opened(server, tmp_path) as one:
        server.busy = 10**6
        with pytest.raises(
            InputError, match=r"s3://bucket/set/shards/.*tar: cannot be read after 4 tries"
        ):
            list(one)


def test_what_is_not_there_is_told(server: Server, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"s3://bucket/nothing"):
        opened(server, tmp_path, "s3://bucket/nothing")
    with pytest.raises(InputError, match=r"s3://other/set"):
        opened(server, tmp_path, "s3://other/set")
    with pytest.raises(InputError, match=r"s3://bucket/set/\*\.zip"):
        opened(server, tmp_path, "s3://bucket/set/*.zip")
    with pytest.raises((InputError, MissingPackageError), match="nowhere"):
        opened(server, tmp_path, "nowhere://bucket/set")


def test_tars_of_others_are_indexed_once_into_the_cache(server: Server, tmp_path: Path) -> None:
    for number in range(3):
        tar(tmp_path / "foreign" / f"{number:02d}.tar", samples(5, 5 * number))
    server.put(tmp_path / "foreign", "foreign")
    parts = {"image": stream.BytesSpec(), "text": stream.TextSpec()}
    local = stream.open(tmp_path / "foreign", parts=parts, batch_size=4, shuffle=False)
    whole = [(batch.keys, batch.lists) for batch in local]
    for url in (
        "s3://bucket/foreign/*.tar",
        "s3://bucket/foreign/{00..02}.tar",
        [f"s3://bucket/foreign/{number:02d}.tar" for number in range(3)],
    ):
        with opened(
            server, tmp_path / "cache", url, parts=parts, batch_size=4, shuffle=False
        ) as one:
            assert [(batch.keys, batch.lists) for batch in one] == whole
    chunks = Counter(server.requested)
    assert max(chunks.values()) == 1  # read once in all


def test_new_content_and_names_of_other_folders_are_never_mixed_up(
    server: Server, tmp_path: Path
) -> None:
    for number, folder in enumerate(("a", "b")):
        tar(tmp_path / folder / "00.tar", samples(5, 10 * number))
        server.put(tmp_path / folder, folder)

    def captions(*folders: str) -> list[str]:
        urls = [f"s3://bucket/{folder}/00.tar" for folder in folders]
        with opened(
            server,
            tmp_path / "cache",
            urls,
            parts={"text": stream.TextSpec()},
            batch_size=5,
            shuffle=False,
        ) as one:
            return [text for batch in one for text in batch.lists["text"]]

    first, second = (
        [f"picture {number}" for number in range(5)],
        [f"picture {number}" for number in range(10, 15)],
    )
    assert (captions("a"), captions("b"), captions("b", "a")) == (first, second, second + first)
    time.sleep(1.1)  # S3's times are whole seconds; its ETag is not asked to help here
    server.client.upload_file(str(tmp_path / "b" / "00.tar"), "bucket", "a/00.tar")
    assert captions("a") == second


def test_a_damaged_chunk_is_fetched_anew(server: Server, tmp_path: Path, wanted: list[Any]) -> None:
    with opened(server, tmp_path) as one:
        list(one)
    chunks = sorted((tmp_path / "chunks").glob("*/*"))
    for path, change in zip(chunks, (b"", b"\0" * 8192, b"short", None), strict=False):
        if change is None:
            path.unlink()
        else:
            path.write_bytes(change)
    server.calm()
    with opened(server, tmp_path) as one:
        assert lists(one) + lists(one) == wanted
    assert len(server.requested) == 4


def test_the_cache_stays_within_its_bound(
    server: Server, tmp_path: Path, wanted: list[Any]
) -> None:
    bound = 12 * 8192
    with opened(server, tmp_path, cache_bytes=bound) as one:
        assert lists(one) + lists(one) == wanted
    held = sum(path.stat().st_size for path in (tmp_path / "chunks").rglob("*") if path.is_file())
    assert 0 < held <= bound
    assert len(server.requested) > len(set(server.requested))  # what had gone came again


def test_without_a_cache_that_can_be_written_chunks_stay_in_memory(
    server: Server, tmp_path: Path, wanted: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    with opened(server, tmp_path) as one:  # the index is there, the chunks cannot be
        shutil.rmtree(tmp_path / "chunks", ignore_errors=True)
        (tmp_path / "chunks").touch()
        assert lists(one) + lists(one) == wanted
    assert caplog.text.count("cannot be written") == 1


def test_a_cache_that_is_no_folder_is_told(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"cache .*file: cannot be written"):
        opened(server, tmp_path / "file")


SCRIPT = textwrap.dedent(
    """
    import json, resource, sys
    from modalmill.stages import stream
    from modalmill.stages.stream.shards import remote

    remote.CHUNK_BYTES = 8192
    cache, options, most = sys.argv[1], json.loads(sys.argv[2]), int(sys.argv[3])
    parts = {"image": stream.BytesSpec(), "audio": stream.BytesSpec()}
    more = {"storage_options": options, "parts": parts}
    one = stream.open("s3://bucket/set", batch_size=20, cache=cache, **more)
    if most:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    print("open", flush=True)
    values = (value for batch in one for part in batch.lists.values() for value in part)
    print(sum(len(value) for value in values if value), flush=True)
    """
)


def run(server: Server, tmp_path: Path, most_file_bytes: int = 0) -> subprocess.Popen[str]:
    import json

    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    command = [
        sys.executable,
        str(script),
        str(tmp_path / "cache"),
        json.dumps(server.options),
        str(most_file_bytes),
    ]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def total(batches: list[Any]) -> int:
    return sum(len(value) for _, values in batches for value in values if value)


def test_killed_at_any_moment_it_leaves_no_half_chunk(
    server: Server, tmp_path: Path, wanted: list[Any]
) -> None:
    server.latency_s = 0.01
    for pause in (0.0, 0.02, 0.05, 0.1):
        process = run(server, tmp_path)
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        time.sleep(pause)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    with opened(server, tmp_path / "cache") as one:
        assert lists(one) + lists(one) == wanted
    assert not list((tmp_path / "cache").rglob("*.part"))


def test_processes_share_a_cache_and_fetch_each_chunk_once(
    server: Server, tmp_path: Path, wanted: list[Any]
) -> None:
    server.latency_s = 0.01
    processes = [run(server, tmp_path) for _ in range(3)]
    found = [process.communicate(timeout=60) for process in processes]
    count = f"open\n{total(wanted[: len(wanted) // 2])}\n"
    assert found == [(count, "")] * 3
    assert max(Counter(server.requested).values()) == 1


def test_a_full_disk_is_told_once_and_read_past(
    server: Server, tmp_path: Path, wanted: list[Any]
) -> None:
    out, errors = run(server, tmp_path, most_file_bytes=4096).communicate(timeout=60)
    assert out == f"open\n{total(wanted[: len(wanted) // 2])}\n"
    assert errors.count("cannot be written") == 1
    assert not list((tmp_path / "cache").rglob("*.part"))


class Ranges(http.server.SimpleHTTPRequestHandler):
    """Files of a folder with ranges, as any web server gives them."""

    def do_GET(self) -> None:
        asked = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        path = Path(self.translate_path(self.path))
        if asked is None or not path.is_file():
            super().do_GET()
            return
        begin, end = int(asked[1]), min(int(asked[2]), path.stat().st_size - 1)
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {begin}-{end}/{path.stat().st_size}")
        self.send_header("Content-Length", str(end - begin + 1))
        self.end_headers()
        self.wfile.write(path.read_bytes()[begin : end + 1])

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextlib.contextmanager
def web(folder: Path, handler: type[http.server.SimpleHTTPRequestHandler]) -> Iterator[str]:
    class Here(handler):  # type: ignore[valid-type,misc]
        def __init__(self, *args: Any) -> None:
            super().__init__(*args, directory=os.fspath(folder))

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Here) as one:
        threading.Thread(target=one.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{one.server_port}"
        one.shutdown()


def test_tars_on_a_web_server_stream_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "CHUNK_BYTES", 8192)
    tar(tmp_path / "www" / "00.tar", samples(12))
    with (
        web(tmp_path / "www", Ranges) as url,
        stream.open(
            f"{url}/00.tar",
            parts={"text": stream.TextSpec()},
            batch_size=6,
            cache=tmp_path / "cache",
        ) as one,
    ):
        assert sorted(text for batch in one for text in batch.lists["text"]) == sorted(
            f"picture {number}" for number in range(12)
        )


def test_a_web_server_without_ranges_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "CHUNK_BYTES", 8192)
    monkeypatch.setattr(remote, "_FIRST_PAUSE_S", 0.01)
    tar(tmp_path / "www" / "00.tar", samples(12))
    with (
        web(tmp_path / "www", http.server.SimpleHTTPRequestHandler) as url,
        pytest.raises((InputError, IntegrityError), match=r"00\.tar.*bytes"),
    ):
        stream.open(f"{url}/00.tar", parts={"text": stream.TextSpec()}, cache=tmp_path / "cache")
