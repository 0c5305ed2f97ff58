"""A served model, asked over a real connection: it answers as ``predict`` does, and says what is
wrong with what it is sent.
"""

from __future__ import annotations

import json
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from commands import here
from modalmill.pipeline.plan import make_plan
from modalmill.pipeline.run import run
from modalmill.schemas.recipe import parse_recipe
from tiny import jpeg, recipe, wav, write

httpx = pytest.importorskip("httpx", reason="the tests' client is not installed")
pytest.importorskip("fastapi", reason="the extra serve is not installed")

TRAIN: dict[str, Any] = {
    "target": "answer",
    "inputs": {"image": {"size": 16}, "sound": {"encoder": "frames"}, "question": {}, "cells": {}},
    "fusion": "concat",
    "width": 16,
    "hidden": 16,
    "epochs": 1,
    "batch_size": 16,
    "device": "cpu",
    "checks": False,
    "log": [],
}
BODY_MB = 1


# Texts of the tests may take long to read; a user's file of modalities says so in every process.
SLOW = """
import time
from pathlib import Path
from modalmill.stages.modalities.text import Text

given = Text.given


def slow(self, value, fitted):
    Path(__file__).with_name(f"at {value}").touch()
    time.sleep({"hang": 600, "slow": 1}.get(value, 0))
    return given(self, value, fitted)


Text.given = slow
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of pictures, sounds, questions and cells."""
    root = tmp_path_factory.mktemp("served")
    lines = ["id,question,age,city,answer,split"]
    for number in range(48):
        write(root / "img" / f"{number}.jpg", jpeg(seed=number))
        write(root / "snd" / f"{number}.wav", wav(200.0 + 20 * number))
        lines.append(
            f"{number},{'is it' if number % 3 else 'is it not'},{20 + number},"
            f"{'Rome' if number % 2 else 'Oslo'},{'yes' if number % 2 else 'no'},"
            f"{('train', 'train', 'train', 'val')[number % 4]}"
        )
    write(root / "t.csv", "\n".join(lines))
    source = {
        "type": "csv",
        "path": "t.csv",
        "id": "{id}",
        "text": {"question": "question"},
        "table": {"cells": ["age", "city"]},
        "targets": ["answer"],
        "split": "{split}",
        "media": {
            "image": {"path": "img/{id}.jpg"},
            "sound": {"modality": "audio", "path": "snd/{id}.wav"},
        },
    }
    value = recipe(root, {"t": source}, shard={}, train=TRAIN)
    run(make_plan(parse_recipe(value), root), root / "out", "serial")
    return root


def best(root: Path) -> Path:
    return root / "out" / "training" / "best.pt"


@contextmanager
def served(
    *words: object, use: Sequence[object] = ()
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A process that serves at a free port, and its address."""
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "modalmill",
            *map(str, use),
            "serve",
            *map(str, words),
            "--port",
            "0",
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        line = process.stderr.readline()
        assert " answers at http://127.0.0.1:" in line, line + process.stderr.read()
        yield process, line.partition(" answers at ")[2].split("/ ")[0]
    finally:
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def server(trained: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    limits = ("--body-mb", BODY_MB, "--most-records", 3, "--deadline-s", 5)
    with served(best(trained), *limits, use=["--use", write(trained / "slow.py", SLOW)]) as started:
        yield started


@pytest.fixture
def client(server: tuple[subprocess.Popen[str], str]) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server[1], timeout=120) as asking:
        yield asking


def same(found: dict[str, Any], wanted: dict[str, Any]) -> None:
    """Whether two predictions say the same; their processes may add up in another order."""
    assert {key: found[key] for key in ("used", "missing")} == {
        key: wanted[key] for key in ("used", "missing")
    }
    assert [answer["answer"] for answer in found["answers"]] == [
        answer["answer"] for answer in wanted["answers"]
    ]
    assert [answer["probability"] for answer in found["answers"]] == pytest.approx(
        [answer["probability"] for answer in wanted["answers"]], abs=2e-6
    )


def predicted(root: Path, *rows: dict[str, str]) -> list[dict[str, Any]]:
    """What ``modalmill predict`` says of rows of a CSV."""
    columns = ("image", "sound", "question", "age", "city")
    lines = [",".join(columns), *(",".join(row.get(name, "") for name in columns) for row in rows)]
    done = here("predict", best(root), "--csv", write(root / "rows.csv", "\n".join(lines)))
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_it_says_what_the_model_takes_and_that_it_lives(client: httpx.Client) -> None:
    assert client.get("/health").json() == {"status": "ok"}
    about = client.get("/").json()
    assert about["target"] == "answer"
    assert about["classes"] == ["no", "yes"]
    assert about["parts"] == {
        "image": {"modality": "image", "given_as": "file"},
        "sound": {"modality": "audio", "given_as": "file"},
        "question": {"modality": "text", "given_as": "text"},
        "cells": {"modality": "table", "given_as": "cells", "columns": ["age", "city"]},
    }
    assert about["limits"] == {"body_bytes": BODY_MB << 20, "records": 3}
    body = client.get("/openapi.json").json()["paths"]["/predict"]["post"]["requestBody"]
    assert body["content"]["multipart/form-data"]["schema"]["properties"]["image"] == {
        "type": "string",
        "format": "binary",
    }


def test_json_is_answered_as_predict_answers(trained: Path, client: httpx.Client) -> None:
    wanted = predicted(
        trained, {"question": "is it", "age": "34", "city": "Oslo"}, {"question": "is it not"}
    )
    records = [
        {"question": "is it", "cells": {"age": 34, "city": "Oslo"}},
        {"question": "is it not", "cells": None},
    ]
    done = client.post("/predict", json={"records": records})
    assert done.status_code == 200, done.text
    assert done.json()["target"] == "answer"
    for found, row in zip(done.json()["predictions"], wanted, strict=True):
        same(found, row)
    alone_ = client.post("/predict", json=records[1]).json()["predictions"]
    assert len(alone_) == 1
    same(alone_[0], wanted[1])


def test_a_form_brings_files_and_any_part_may_be_missing(
    trained: Path, client: httpx.Client
) -> None:
    image, sound = (
        (trained / "img" / "5.jpg").read_bytes(),
        (trained / "snd" / "7.wav").read_bytes(),
    )
    wanted = predicted(
        trained,
        {"image": "img/5.jpg", "sound": "snd/7.wav", "question": "is it", "age": "40"},
        {"image": "img/5.jpg"},
        {"sound": "snd/7.wav", "city": "Rome"},
    )
    one = client.post(
        "/predict",
        files={"image": ("../../etc/a.jpg", image), "sound": ("b.wav", sound)},
        data={"question": "is it", "cells": '{"age": 40}'},
    )
    assert one.status_code == 200, one.text
    same(one.json()["predictions"][0], wanted[0])
    several = client.post(
        "/predict",
        files={
            "0.image": ("a.jpg", image),
            "0.sound": ("b.wav", sound),
            "1.image": ("no ending", image),
            "2.sound": ("b.wav", sound),
        },
        data={"0.question": "is it", "0.cells": "age=40", "2.cells": "city=Rome"},
    )
    assert several.status_code == 200, several.text
    for found, row in zip(several.json()["predictions"], wanted, strict=True):
        same(found, row)


def bomb() -> bytes:
    """A PNG of three kilobytes whose header says 60,000 x 60,000."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    body = zlib.compress(bytes(1 << 20))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"files": {"image": ("a.jpg", b"\xff\xd8\xff no picture")}}, "record 0: image: "),
        ({"files": {"image": ("a.jpg", b"")}}, "record 0: image: "),
        ({"files": {"image": ("a.png", bomb())}}, "at most 200,000,000 are decoded"),
        ({"files": {"sound": ("a.wav", b"RIFF\x00\x00")}}, "record 0: sound: "),
        (
            {"files": {"imgae": ("a.jpg", b"x")}},
            "record 0: the model has no part 'imgae'; did you mean 'image'?",
        ),
        ({"files": {"question": ("a.txt", b"is it")}}, "question: wanted text, found a file"),
        ({"files": {"1.image": ("a.jpg", jpeg())}}, "record 0 has no part, and record 1 has"),
        ({"files": {"9.image": ("a.jpg", jpeg())}}, "at most 3 are taken at once"),
        ({"json": {}}, "record 0: it has none of the parts image, sound, question, cells"),
        ({"json": {"question": None}}, "record 0: it has none of the parts"),
        ({"json": {"records": []}}, "wanted 1 to 3 records, found 0"),
        ({"json": {"records": [{"question": "x"}] * 4}}, "wanted 1 to 3 records, found 4"),
        ({"json": [1]}, 'wanted {"records": [{part: value, ...}, ...]}'),
        ({"json": {"question": 5}}, "record 0: question: wanted a text, found 5"),
        ({"json": {"cells": [5]}}, "record 0: cells: wanted an object of cells, found [5]"),
        ({"json": {"cells": {"agee": 5}}}, "the model knows no column agee; it has age, city"),
        ({"json": {"cells": {"age": "old"}}}, "age: wanted a number, found 'old'"),
        ({"json": {"image": "/etc/passwd"}}, "image: wanted a file in a form"),
        (
            {"json": {"records": [{"question": "fine"}, {"questoin": "x"}, {"cells": "age"}]}},
            "record 1: the model has no part 'questoin'; did you mean 'question'?",
        ),
        ({"content": b"{nothing", "headers": {"content-type": "application/json"}}, "no JSON"),
        (
            {"content": b"[" * 100_000, "headers": {"content-type": "application/json"}},
            "the body is no JSON",
        ),
    ],
)
def test_what_is_wrong_is_one_clear_sentence(
    client: httpx.Client, asked: dict[str, Any], told: str
) -> None:
    done = client.post("/predict", **asked)
    assert done.status_code == 422, done.text
    assert told in done.json()["detail"]
    assert "Traceback" not in done.text
    assert "/tmp" not in done.text
    assert client.get("/health").status_code == 200


def test_bodies_of_another_kind_or_too_large_are_refused(client: httpx.Client) -> None:
    done = client.post("/predict", content=b"is it", headers={"content-type": "text/plain"})
    assert done.status_code == 415
    assert "found text/plain" in done.json()["detail"]
    large = {"question": "x" * (BODY_MB << 20)}
    assert client.post("/predict", json=large).status_code == 413
    told_nothing_of_its_length = iter([b'{"question": "', *([b"x" * 4096] * 300), b'"}'])
    done = client.post(
        "/predict",
        content=told_nothing_of_its_length,
        headers={"content-type": "application/json"},
    )
    assert done.status_code == 413
    assert f"at most {BODY_MB << 20:,} are taken" in done.json()["detail"]
    assert client.post("/predict", json={"question": "is it"}).status_code == 200


def test_what_hangs_is_told_and_costs_nothing_else(client: httpx.Client) -> None:
    records = {"records": [{"question": "fine"}, {"question": "hang"}]}
    done = client.post("/predict", json=records)
    assert done.status_code == 422, done.text
    told = "record 1: question: reading it took longer than the deadline, twice"
    assert done.json()["detail"] == told
    assert client.post("/predict", json={"question": "fine"}).status_code == 200


def test_mistakes_of_the_command_are_one_line(trained: Path, tmp_path: Path) -> None:
    done = here("serve", tmp_path / "none.pt", "--port", "0")
    assert done.returncode == 1
    assert "there is no such checkpoint" in done.stderr
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = here("serve", best(trained), "--port", taken.getsockname()[1])
    assert done.returncode == 1
    assert "cannot listen there" in done.stderr


def test_a_signal_to_stop_lets_what_is_at_work_end(
    trained: Path, server: tuple[subprocess.Popen[str], str]
) -> None:
    """Last: it ends the server."""
    process, address = server
    found: list[int] = []

    def ask() -> None:
        found.append(
            httpx.post(f"{address}/predict", json={"question": "slow"}, timeout=120).status_code
        )

    thread = threading.Thread(target=ask)
    thread.start()
    while not (trained / "at slow").exists():
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    thread.join()
    _, errors = process.communicate(timeout=60)
    assert found == [200]
    assert process.returncode == 0
    assert errors == "serve: stopped\n"
