"""Nothing that comes from data is obeyed by the terminal."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import yaml
from hypothesis import given
from hypothesis import strategies as st
from modalmill.pipeline.terminal import harmless
from tiny import recipe, write

ESCAPES = (
    "hi \x1b]52;c;cHduZWQ=\x1b\\ \x1b]8;;http://evil/\x1b\\click \x1b[2J\x1bc \x9b2J \x1b(0"
    " \u202eabc\u2028 \r\x08"
)
OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2028\u2066-\u2069]")


@given(st.text())
def test_no_control_is_left_and_json_stays_json(text: str) -> None:
    assert not OBEYED.search(harmless(text))
    assert json.loads(harmless(json.dumps(text, ensure_ascii=False))) == text or any(
        "\ud800" <= letter <= "\udfff" for letter in text
    )


def modalmill(folder: Path, *words: str) -> str:
    """All that it printed; as bytes, for a text has other ends of lines."""
    done = subprocess.run(
        [sys.executable, "-m", "modalmill", *words], capture_output=True, cwd=folder, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.decode() + done.stderr.decode()


def test_commands_show_escapes_and_do_not_pass_them_on(tmp_path: Path) -> None:
    rows = [
        {"id": f"k{number}", "text": ESCAPES + str(number), "n": ESCAPES} for number in range(3)
    ] + [{"id": "k0", "text": "again"}]
    write(tmp_path / "t.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    source = {
        "type": "jsonl",
        "path": "t.jsonl",
        "id": "{id}",
        "text": {"t": "text"},
        "numbers": ["n"],
    }
    write(tmp_path / "r.yaml", yaml.safe_dump(recipe(tmp_path, {"s": source})))
    for words in (
        ("run", "r.yaml", "--out", "out", "--workers", "1"),
        ("inspect", "out/shards"),
        ("rejects", "out"),
        ("rejects", "out", "--json"),
        ("account", "out"),
    ):
        assert not OBEYED.search(modalmill(tmp_path, *words)), words
