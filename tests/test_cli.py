"""The command line as a person meets it: real processes, exit codes, one message for a mistake."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from commands import alone, here
from tiny import jpeg, recipe, vqa_corpus, write

Ask = Callable[..., subprocess.CompletedProcess[str]]


def modalmill(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "modalmill", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=cwd,
        check=False,
    )


def fails(*arguments: object, code: int = 1, cwd: Path | None = None, ask: Ask = alone) -> str:
    done = ask(*arguments, cwd=cwd)
    assert done.returncode == code, done.stderr
    return done.stderr


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("cli")
    value = recipe(
        root / "raw",
        {"vqa": vqa_corpus(root / "raw", images=6)},
        [{"align.require": {"parts": ["image"]}}, "clean.image"],
    )
    write(root / "raw" / "images" / "COCO_tiny2014_000000000002.jpg", jpeg()[:-300])
    (root / "raw" / "images" / "COCO_tiny2014_000000000003.jpg").unlink()
    write(root / "r.yaml", yaml.safe_dump(value))
    done = modalmill("run", root / "r.yaml", "--out", root / "out", "--workers", "1")
    assert done.returncode == 0, done.stderr
    return root


def test_a_run_prints_the_account_and_what_to_type_next(ran: Path) -> None:
    done = modalmill("run", ran / "r.yaml", "--out", ran / "out")
    assert "The account adds up" in done.stdout
    assert f"modalmill rejects {ran / 'out'}" in done.stdout
    assert modalmill("run", ran / "r.yaml", "--out", ran / "out", "--quiet").stdout == ""


def test_the_account_as_json_and_its_exit_code(ran: Path, tmp_path: Path) -> None:
    done = modalmill("account", ran / "out", "--json")
    account = json.loads(done.stdout)
    assert {"adds_up", "sources", "stages", "rejects_by_reason"} <= set(account)
    assert account["rejects_by_reason"] == {
        "align.require: no image": 2,
        "clean.image: image_truncated": 2,
    }
    account["stages"]["clean.image"]["written"] -= 1
    write(tmp_path / "account.json", json.dumps(account))
    broken = modalmill("account", tmp_path)
    assert broken.returncode == 1
    assert "DOES NOT ADD UP" in broken.stdout


def test_rejects_say_where_they_came_from(ran: Path) -> None:
    rows = json.loads(modalmill("rejects", ran / "out", "--stage", "clean.image", "--json").stdout)
    assert [
        (row["key"], row["rule"], row["origin"]["file"], row["origin"]["row"]) for row in rows
    ] == [
        ("vqa-2000", "image_truncated", "q.json", 3),
        ("vqa-2001", "image_truncated", "q.json", 4),
    ]
    assert "q.json, row 3" in modalmill("rejects", ran / "out").stdout
    assert "did you mean 'clean.image'" in fails("rejects", ran / "out", "--stage", "clean.imag")


def test_of_many_rejects_the_first_of_each_rule_are_shown_and_the_others_counted(
    tmp_path: Path,
) -> None:
    """A join of a hundred thousand took minutes to be laid out as a table."""
    ids = "".join(f"{number},\n" for number in range(7)) + "8,word\n"
    write(tmp_path / "t.csv", f"id,text\n{ids}")
    source = {"type": "csv", "path": "t.csv", "id": "{id}", "text": "text"}
    stages = [{"align.require": {"parts": ["text"]}}]
    value = recipe(tmp_path, {"s": source}, stages, shard=None, tolerance=1)
    write(tmp_path / "r.yaml", yaml.safe_dump(value))
    out = tmp_path / "out"
    assert modalmill("run", tmp_path / "r.yaml", "--out", out, "--quiet").returncode == 0
    shown = modalmill("rejects", out, "-n", "3").stdout
    assert shown.count("align.require") == 3 + 1
    assert "and 4 more of align.require: no text" in shown
    assert "-n shows more, --json lists all" in shown
    whole = modalmill("rejects", out).stdout
    assert whole.count("align.require") == 7
    assert "more" not in whole


def test_inspect_and_stages_show_what_there_is(ran: Path) -> None:
    shown = modalmill("inspect", ran / "out" / "shards", "-n", "2").stdout
    assert "image (image), question (text)" in shown
    assert "vqa-" in shown
    listed = modalmill("stages").stdout
    for word in ("coco_vqa", "clean.image", "align.join", "features.text", "min_sharpness"):
        assert word in listed
    assert "min_words, max_words: number of words" in modalmill("stages", "clean.text").stdout
    assert "did you mean 'clean.text'" in fails("stages", "clean.txt")
    assert "Arevalo" in modalmill("methods", "gated").stdout


def test_verify_exits_one_for_a_changed_byte(ran: Path, tmp_path: Path) -> None:
    import shutil

    assert modalmill("verify", ran / "out").returncode == 0
    shutil.copytree(ran / "out", tmp_path / "out")
    path = tmp_path / "out" / "shards" / "all-000000.tar"
    data = bytearray(path.read_bytes())
    data[600] ^= 1
    path.write_bytes(bytes(data))
    assert "damaged: " in fails("verify", tmp_path / "out")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["run", "nowhere.yaml"], 1, "there is no such recipe"),
        (["run", "{r}", "--engine", "sparkle"], 2, "no such engine"),
        (["run", "{r}", "--until", "clean.imag"], 2, "did you mean 'clean.image'"),
        (["run", "{r}", "--set", "sources.vqa.imges=x"], 2, "did you mean 'images'"),
        (
            ["run", "{r}", "--set", "data=/nowhere"],
            2,
            "is no folder; set it with --set data=FOLDER",
        ),
        (["run", "{r}", "--scheduler", "tcp://127.0.0.1:9"], 1, "no dask scheduler answers there"),
        (["account", "nowhere"], 1, "no account.json here"),
        (["inspect", "nowhere"], 1, "no shards.json here"),
        (["evaluate", "no.pt", "nowhere"], 1, "there is no such checkpoint"),
        (["predict", "no.pt"], 1, "there is no such checkpoint"),
    ],
)
def test_a_mistake_is_one_message(
    ran: Path, tmp_path: Path, arguments: list[str], code: int, words: str
) -> None:
    """In a process of its own for one mistake of each code."""
    told = [word.format(r=ran / "r.yaml") for word in arguments]
    alike = words not in ("there is no such recipe", "no such engine")
    assert words in fails(*told, code=code, cwd=tmp_path, ask=here if alike else alone)


def test_debug_shows_the_traceback() -> None:
    assert "Traceback" in modalmill("--debug", "run", "nowhere.yaml").stderr


def test_help_and_a_run_without_training_load_neither_torch_nor_dask(ran: Path) -> None:
    code = (
        "import sys; from modalmill.cli import app\n"
        "try: app({!r}, standalone_mode=True)\n"
        "except SystemExit: pass\n"
        "print([name for name in ('torch', 'dask', 'distributed', 'librosa', 'spacy') if name in"
        " sys.modules])"
    )
    for arguments in (
        ["--help"],
        ["run", str(ran / "r.yaml"), "--out", str(ran / "out"), "--quiet"],
    ):
        done: Any = subprocess.run(
            [sys.executable, "-c", code.format(arguments)],
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.strip().endswith("[]"), done.stdout


def test_it_works_in_a_folder_full_of_files_with_our_rooms_names(ran: Path, tmp_path: Path) -> None:
    for name in ("pipeline", "schemas", "stages", "cli"):
        write(tmp_path / f"{name}.py", "raise RuntimeError('the wrong file')\n")
    assert (
        modalmill(
            "run", ran / "r.yaml", "--out", tmp_path / "out", "--workers", "1", cwd=tmp_path
        ).returncode
        == 0
    )


def test_an_interrupt_that_python_drops_comes_again() -> None:
    """An exception out of a destructor is printed and forgotten, a Ctrl-C that arrives inside one
    too.
    """
    code = """
import signal, time
from modalmill import cli

class Drops:
    def __del__(self):
        signal.raise_signal(signal.SIGINT)

def app(**options):
    Drops()
    time.sleep(60)

cli._STOP_AGAIN_S, cli.app = 0.2, app
cli.main()
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 130
    assert "finished work is kept" in done.stderr


def test_a_shell_completes_commands_and_options() -> None:
    script = modalmill("--show-completion", "bash")
    assert "complete -o default -F _modalmill_completion modalmill" in script.stdout
    for typed, wanted in (("re", ["rejects", "retrieve"]), ("run --unt", ["--until"])):
        done = subprocess.run(
            [sys.executable, "-m", "modalmill"],
            env={
                **os.environ,
                "_MODALMILL_COMPLETE": "complete_bash",
                "COMP_WORDS": f"modalmill {typed}",
                "COMP_CWORD": str(len(typed.split())),
            },
            capture_output=True,
            text=True,
            check=True,
        )
        assert set(done.stdout.split()) >= set(wanted)
