"""Urls are fetched once, from hosts that are allowed, and what does not come is told by its reason.

The server is a real one on the loopback, with the faults that servers have.
"""

from __future__ import annotations

import hashlib
import http.server
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from commands import here
from modalmill.pipeline.result import Result
from modalmill.schemas.errors import InputError, RecipeError
from modalmill.schemas.manifest import Row, table_to_records
from modalmill.stages.base import Noted
from modalmill.stages.ingest.urls import Urls
from tiny import jpeg, png, recipe, wav, write

Run = Callable[..., Result]
ROBOTS = "User-agent: *\nDisallow: /private/\n\nUser-agent: other\nDisallow: /\n"


class Server:
    """A server on the loopback: contents and faults by path, and what was asked of it."""

    def __init__(self, name: str = "127.0.0.1") -> None:
        self.asked: Counter[str] = Counter()
        self.robots: bytes | int = ROBOTS.encode()
        self.pages: dict[str, Any] = {}
        self.agents: set[str] = set()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked[self.path] += 1
                outer.agents.add(self.headers["User-Agent"])
                page = (
                    outer.robots if self.path == "/robots.txt" else outer.pages.get(self.path, 404)
                )
                if callable(page):
                    page(self, outer.asked[self.path])
                elif isinstance(page, int):
                    self.send_error(page)
                else:
                    answer(self, page)

            def log_message(self, *words: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.top = f"http://{name}:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()


def answer(
    to: Any, data: bytes, kind: str = "image/jpeg", length: int | None = None, status: int = 200
) -> None:
    to.send_response(status)
    to.send_header("Content-Type", kind)
    to.send_header("Content-Length", str(len(data) if length is None else length))
    to.end_headers()
    to.wfile.write(data)


def moved(to: str) -> Callable[[Any, int], None]:
    def page(handler: Any, time: int) -> None:
        handler.send_response(302)
        handler.send_header("Location", to)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return page


@pytest.fixture
def server() -> Iterator[Server]:
    one = Server()
    yield one
    one.server.shutdown()
    one.server.server_close()


def source(**options: Any) -> Urls:
    quick = {"backoff_s": 0.001, "timeout_s": 5.0, "retries": 1, "allow": ["127.0.0.1"]}
    return Urls(**{"path": "t.csv", **quick, **options})


def read(root: Path, **options: Any) -> tuple[list[Row], dict[str, int]]:
    tally: Counter[str] = Counter()
    items = list(source(**options).read(root, "web", tally, lambda item: None))
    rows = [item for item in items if isinstance(item, Row)]
    assert sum(tally.values()) == len(rows)
    return rows, {item.what: item.count for item in items if isinstance(item, Noted)}


def table(root: Path, *urls: str) -> None:
    write(root / "t.csv", "\n".join(["number,url", *(f"{n},{u}" for n, u in enumerate(urls))]))


def rules(rows: list[Row]) -> list[str]:
    return [row.fault.rule if row.fault else "" for row in rows]


def test_what_comes_is_kept_by_content_and_never_asked_for_again(
    tmp_path: Path, server: Server
) -> None:
    server.pages = {"/a.jpg": jpeg(), "/b": jpeg(), "/c?x=1": png(seed=2), "/d.wav": wav()}
    top = server.top
    table(tmp_path, f"{top}/a.jpg", f"{top}/b", f"{top}/c?x=1", f"{top}/a.jpg", "", f"{top}/d.wav")
    rows, told = read(tmp_path)
    assert rules(rows) == [""] * 6
    found = [row.record.parts["image"].uri if row.record.parts else None for row in rows]
    name = hashlib.sha256(jpeg()).hexdigest()
    assert found[0] == found[1] == found[3] == f"fetched/{name[:2]}/{name}.jpg"
    assert found[2] is not None
    assert found[2].endswith(".png")
    assert (tmp_path / found[2]).read_bytes() == png(seed=2)
    assert found[4] is None
    # the ending says that this is a sound
    assert rows[5].record.parts["image"].modality == "audio"
    assert server.agents == {next(iter(server.agents))}
    assert next(iter(server.agents)).startswith("modalmill/")
    assert server.asked == {"/robots.txt": 1, **dict.fromkeys(server.pages, 1)}
    server.asked.clear()
    again, told = read(tmp_path)
    assert [row.record for row in again] == [row.record for row in rows]
    assert told == {"urls whose files were fetched before": 5}
    assert not server.asked
    # a file that has gone is fetched again, and nothing else
    (tmp_path / found[2]).unlink()
    with open(tmp_path / "fetched" / "fetched.jsonl", "a") as file:
        file.write('{"url": "cut')
    read(tmp_path)
    assert server.asked == {"/robots.txt": 1, "/c?x=1": 1}
    assert not list((tmp_path / "fetched").rglob("*.tmp"))
    server.asked.clear()
    read(tmp_path)
    assert not server.asked


def test_each_fault_of_a_server_is_a_reject_by_its_reason(tmp_path: Path, server: Server) -> None:
    def slow(to: Any, count: int) -> None:
        to.send_response(200)
        to.send_header("Content-Length", "1000")
        to.end_headers()
        for _ in range(40):
            to.wfile.write(b"x")
            to.wfile.flush()
            time.sleep(0.02)

    def endless(to: Any, count: int) -> None:
        to.send_response(200)
        to.end_headers()
        to.wfile.write(b"x" * 300_000)

    top = server.top
    closed = Server()
    closed.server.shutdown()
    closed.server.server_close()
    server.pages = {
        "/gone.jpg": 410,
        "/slow.jpg": slow,
        "/cut.jpg": lambda to, count: answer(to, b"half", length=5000),
        "/huge.jpg": lambda to, count: answer(to, b"x", length=1 << 40),
        "/endless.jpg": endless,
        "/page.jpg": lambda to, count: answer(to, b"<html>", "text/html; charset=utf-8"),
        "/empty.jpg": b"",
        "/private/a.jpg": jpeg(),
        "/circle.jpg": moved("/circle.jpg"),
        "/out.jpg": moved("http://localhost:1/a.jpg"),
        "/file.jpg": moved("file:///etc/passwd"),
        "/in.jpg": moved("/good.jpg"),
        "/hidden.jpg": moved("/private/a.jpg"),
        "/good.jpg": jpeg(),
    }
    wanted = {
        f"{top}/good.jpg": "",
        f"{top}/in.jpg": "",
        f"{top}/none.jpg": "http_404",
        f"{top}/gone.jpg": "http_410",
        f"{top}/slow.jpg": "timeout",
        f"{top}/cut.jpg": "connection",
        f"{closed.top}/a.jpg": "connection",
        f"{top}/huge.jpg": "too_large",
        f"{top}/endless.jpg": "too_large",
        f"{top}/page.jpg": "not_media",
        f"{top}/empty.jpg": "file_empty",
        f"{top}/private/a.jpg": "robots",
        f"{top}/hidden.jpg": "robots",
        f"{top}/circle.jpg": "redirects",
        f"{top}/out.jpg": "not_allowed",
        f"{top}/file.jpg": "bad_url",
        "http://localhost:1/a.jpg": "not_allowed",
        "http://127.0.0.1.example.org/a.jpg": "not_allowed",
        "file:///etc/passwd": "bad_url",
        "ftp://127.0.0.1/a.jpg": "bad_url",
        "a.jpg": "bad_url",
        "http://127.0.0.1:port/a.jpg": "bad_url",
        "http:///a.jpg": "bad_url",
    }
    table(tmp_path, *wanted)
    rows, _ = read(tmp_path, timeout_s=0.3, max_bytes=100_000)
    assert dict(zip(wanted, rules(rows), strict=True)) == wanted
    assert server.asked["/private/a.jpg"] == 0
    kept = {path.name for path in (tmp_path / "fetched").rglob("*") if path.is_file()}
    assert kept == {"fetched.jsonl", f"{hashlib.sha256(jpeg()).hexdigest()}.jpg"}


def test_what_may_come_later_is_asked_for_again_and_what_will_not_is_not(
    tmp_path: Path, server: Server
) -> None:
    def busy(to: Any, count: int) -> None:
        if count < 3:
            answer(to, b"busy", "text/plain", status=503)
        else:
            answer(to, jpeg())

    def later(to: Any, count: int) -> None:
        if count == 1:
            to.send_response(429)
            to.send_header("Retry-After", "1")
            to.send_header("Content-Length", "0")
            to.end_headers()
        else:
            answer(to, jpeg(seed=1))

    server.pages = {"/busy.jpg": busy, "/later.jpg": later, "/off.jpg": 500, "/no.jpg": 403}
    table(tmp_path, *(f"{server.top}{path}" for path in server.pages))
    began = time.monotonic()
    rows, _ = read(tmp_path, retries=2)
    assert rules(rows) == ["", "", "http_500", "http_403"]
    assert time.monotonic() - began > 1.0
    del server.asked["/robots.txt"]
    assert server.asked == {"/busy.jpg": 3, "/later.jpg": 2, "/off.jpg": 3, "/no.jpg": 1}


@pytest.mark.parametrize(("robots", "rule"), [(404, ""), (403, ""), (503, "robots"), (b"", "")])
def test_robots_txt_that_is_not_there_allows_all_and_a_broken_server_nothing(
    tmp_path: Path, server: Server, robots: Any, rule: str
) -> None:
    server.robots, server.pages = robots, {"/a.jpg": jpeg()}
    table(tmp_path, f"{server.top}/a.jpg")
    assert rules(read(tmp_path)[0]) == [rule]


def test_the_delay_that_robots_txt_asks_for_is_kept(tmp_path: Path, server: Server) -> None:
    server.robots = b"User-agent: modalmill\nCrawl-delay: 1\n"
    server.pages = {"/a.jpg": jpeg(), "/b.jpg": jpeg(seed=1)}
    table(tmp_path, f"{server.top}/a.jpg", f"{server.top}/b.jpg")
    began = time.monotonic()
    assert rules(read(tmp_path)[0]) == ["", ""]
    assert time.monotonic() - began > 0.95


@pytest.mark.parametrize("kind", ["md5", "sha1", "sha256"])
def test_contents_are_compared_with_their_checksum(
    tmp_path: Path, server: Server, kind: str
) -> None:
    server.pages = {f"/{n}.jpg": jpeg(seed=n) for n in range(4)}
    sums = [hashlib.new(kind, jpeg(seed=n)).hexdigest() for n in (0, 9)]
    sums += ["what", "", sums[1].upper()]
    rows = [
        {"url": f"{server.top}/{n % 4}.jpg", "hash": one, "caption": f"number {n}"}
        for n, one in enumerate(sums)
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "t.parquet")
    options = {"path": "t.parquet", "checksum": "hash", "text": "caption"}
    found, _ = read(tmp_path, **options)
    assert rules(found) == ["", "checksum", "bad_checksum", "", "checksum"]
    assert [row.record.parts["text"].text for row in found if not row.fault] == [
        "number 0",
        "number 3",
    ]
    # nor is a file that was fetched before believed
    assert rules(read(tmp_path, **options)[0]) == rules(found)


def test_a_preview_asks_nobody(tmp_path: Path, server: Server) -> None:
    server.pages = {"/0.jpg": jpeg()}
    table(tmp_path, f"{server.top}/0.jpg")
    read(tmp_path)
    server.asked.clear()
    table(tmp_path, f"{server.top}/0.jpg", f"{server.top}/1.jpg")
    items = list(source().preview(tmp_path, "web", Counter(), lambda item: None))
    assert [list(one.record.parts) for one in items if isinstance(one, Row)] == [["image"], []]
    assert {one.what for one in items if isinstance(one, Noted)} == {
        "urls whose files were fetched before",
        "urls that a run would fetch",
    }
    assert not server.asked


def test_a_run_from_the_command_line_and_what_is_tried_again(
    tmp_path: Path, server: Server
) -> None:
    server.pages = {f"/{n}.jpg": jpeg(seed=n) for n in range(6)}
    table(tmp_path / "data", *(f"{server.top}/{n}.jpg" for n in range(7)))
    pictures = {"type": "urls", "path": "t.csv", "allow": ["127.0.0.1"], "modality": "image"}
    value = recipe(Path("data"), {"web": pictures}, ["clean.image"], shard={}, tolerance=0.2)
    write(tmp_path / "r.yaml", json.dumps(value))
    done = here("run", "r.yaml", "--out", "out", "--engine", "serial", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    account = json.loads((tmp_path / "out" / "account.json").read_text())
    assert account["sources"]["web"]["reasons"] == {"http_404": 1}
    assert account["adds_up"]
    # what was not there is there now, and nothing else is asked for
    server.pages["/6.jpg"] = jpeg(seed=6)
    server.asked.clear()
    again = here("retry", "out", "--reason", "http_404", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert server.asked == {"/robots.txt": 1, "/6.jpg": 1}
    assert "1 written now" in again.stdout + again.stderr


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"allow": []}, r"wanted the hosts that may be asked, for example allow: \[example.org"),
        ({"url": "link"}, "the table has no column 'link'"),
        ({"checksum": "{sha}"}, "the table has no column 'sha'"),
        ({"folder": "../x"}, "wanted a folder below 'base'"),
        ({"workers": 0}, "workers above 0"),
        ({"path": "none.parquet"}, "none.parquet"),
        ({"path": "broken.parquet"}, "the table cannot be read"),
        ({"text": {"image": "url"}}, "comes from another option already"),
        ({"alow": ["a"]}, "did you mean 'allow'"),
    ],
)
def test_mistakes_are_told_before_anything_is_fetched(
    tmp_path: Path, server: Server, run_recipe: Run, options: dict[str, Any], words: str
) -> None:
    table(tmp_path, f"{server.top}/a.jpg")
    write(tmp_path / "broken.parquet", b"PAR1")
    value = {"type": "urls", "path": "t.csv", "allow": ["127.0.0.1"], **options}
    with pytest.raises((RecipeError, InputError), match=words):
        run_recipe(recipe(tmp_path, {"web": value}))
    assert not server.asked


def test_hosts_below_one_are_meant_by_a_star(tmp_path: Path) -> None:
    from modalmill.stages.ingest._fetching import Fetcher, FetchLimits

    fetcher = Fetcher(["example.org", "*.Example.net"], FetchLimits(1, 1.0, 0, 0.0), 1)
    for url in ("http://example.org/a", "https://EXAMPLE.org:8080/a", "http://a.b.example.net/"):
        fetcher.check(url)
    for url in ("http://a.example.org/", "http://example.net/", "http://badexample.net/"):
        with pytest.raises(Exception, match="not_allowed"):
            fetcher.check(url)


def test_records_of_a_run_hold_what_the_table_says(
    tmp_path: Path, server: Server, run_recipe: Run
) -> None:
    server.pages = {f"/{n}.jpg": jpeg(seed=n) for n in range(3)}
    lines = [f"{n}\t{server.top}/{n}.jpg\tpicture {n}\t{'ab'[n % 2]}" for n in range(3)]
    write(tmp_path / "data" / "x" / "t.tsv", "\n".join(["id\turl\tcaption\tkind", *lines]))
    value = {
        "type": "urls",
        "base": "x",
        "path": "t.tsv",
        "id": "{id}",
        "allow": ["127.0.0.1"],
        "part": "picture",
        "text": {"caption": "caption"},
        "targets": ["kind"],
    }
    out = run_recipe(recipe(tmp_path / "data", {"web": value}, ["clean.image"], shard={}))
    records = {one.key: one for one in table_to_records(out.manifest())}
    assert records.keys() == {"web-0", "web-1", "web-2"}
    first = records["web-1"]
    assert (first.targets, first.parts["caption"].text) == ({"kind": "b"}, "picture 1")
    assert (tmp_path / "data" / (first.parts["picture"].uri or "")).read_bytes() == jpeg(seed=1)
    assert (first.parts["picture"].uri or "").startswith("x/fetched/")
