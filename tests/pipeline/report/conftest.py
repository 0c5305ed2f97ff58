"""A run with planted facts, and its page."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import yaml
from browser import Browser, path_of_browser
from commands import here
from pages import Page
from PIL import Image
from tiny import csv_source, recipe, wav, write

SCRIPT = "<script>document.title='hit'</script>"
ATTRIBUTE = '"><img src=x onerror="document.title=1">'


def _corpus(root: Path) -> Path:
    """60 pictures, of which picture n has n % of black pixels; sounds of a third of them; texts,
    two of them equal; and one of each kind that holds markup. ``r.yaml`` takes the dark ones.
    """
    lines = ["id,note,answer,picture,sound"]
    for number in range(60):
        pixels = np.full((100, 100, 3), 128, np.uint8)
        pixels[:number] = 0
        (root / "img").mkdir(exist_ok=True)
        name = f"{number}.png" if number else "<b>0&.png"
        Image.fromarray(pixels).save(root / "img" / name)
        note = f"words of number {number}" if number > 1 else f"{SCRIPT} of {ATTRIBUTE[2:]}"
        note = note.replace('"', '""')
        sound = f"snd/{number}.wav" if number % 3 == 0 else ""
        if sound:
            write(root / sound, wav(200 + 10 * number))
        answer = "<i>yes</i>" if number % 2 else "no"
        lines.append(f'{number},"{note}",{answer},img/{name},{sound}')
    write(root / "t.csv", "\n".join(lines))
    source = csv_source(
        "note",
        targets=["answer"],
        media={"image": {"path": "{picture}"}, "sound": {"path": "{sound}"}},
    )
    stages = [
        {"clean.image": {"max_dark": 0.5}},
        {"clean.rules": {"image.dark": ">= p10"}},
        {"clean.text": {"max_words": 4}},
        {"clean.duplicates": {}},
        {"align.split": {"shares": {"train": 0.7, "val": 0.15, "test": 0.15}}},
    ]
    whole = recipe(root, {"t": source}, stages, shard={}, tolerance=1.0)
    return write(root / "r.yaml", yaml.safe_dump(whole))


@pytest.fixture(scope="session")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output folder of a run, with its page."""
    root = tmp_path_factory.mktemp("report")
    done = here("run", _corpus(root), "--out", root / "out", "--engine", "serial", "--quiet")
    assert done.returncode == 0, done.stderr
    done = here("report", root / "out")
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"report: {root / 'out' / 'report.html'}\n"
    return root / "out"


@pytest.fixture(scope="session")
def page(ran: Path) -> Page:
    return Page(ran / "report.html")


@pytest.fixture
def copied(ran: Path, tmp_path: Path) -> Path:
    """The same folder, for who changes it."""
    return Path(shutil.copytree(ran, tmp_path / "out"))


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    if path_of_browser() is None:
        pytest.skip("no Chromium on PATH; Debian has it as the package chromium")
    shown = Browser(tmp_path_factory.mktemp("browser"))
    yield shown
    shown.close()
