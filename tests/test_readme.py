"""What the README shows works as it stands there."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from modalmill.stages.media import image
from modalmill.stages.train.methods.encoders import ENCODERS
from modalmill.stages.train.methods.fusions import FUSIONS
from modalmill.stages.train.methods.losses import LOSSES
from modalmill.stages.train.methods.missing import MISSING
from tiny import write

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the recipe of the README and a small corpus that fits it."""
    root = tmp_path_factory.mktemp("readme")
    recipe = re.search(r"```yaml\n(name: pets.*?)```", README, re.DOTALL)
    assert recipe is not None
    write(root / "pets.yaml", recipe.group(1))
    rows = ["file,caption,animal"]
    for number in range(60):
        level = 60 if number % 2 else 190
        pixels = (
            np.random.default_rng(number)
            .normal(level, 20, (48, 64, 3))
            .clip(0, 255)
            .astype(np.uint8)
        )
        write(root / "raw" / "images" / f"{number}.jpg", image.encode_jpeg(pixels, 90))
        rows.append(f"{number}.jpg,picture number {number},{'cat' if number % 2 else 'dog'}")
    write(root / "raw" / "labels.csv", "\n".join(rows))
    return root


@pytest.fixture(scope="module")
def commands(folder: Path) -> list[tuple[str, subprocess.CompletedProcess[str]]]:
    """Every command of the README and what came of it, in the order in which they stand."""
    block = re.search(r"```console\n(.*?)```", README, re.DOTALL)
    assert block is not None
    done = []
    for line in block.group(1).splitlines():
        words = shlex.split(line[2:])
        assert words[0] == "modalmill"
        run = subprocess.run(
            [sys.executable, "-m", *words], cwd=folder, capture_output=True, text=True, check=False
        )
        done.append((line[2:], run))
    return done


def test_every_command_of_the_readme_runs(
    commands: list[tuple[str, subprocess.CompletedProcess[str]]],
) -> None:
    assert len(commands) == 21
    for command, done in commands:
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"


def test_the_loop_of_the_readme_runs(
    folder: Path, commands: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    code = re.search(r"```python\n(from modalmill.*?)```", README, re.DOTALL)
    assert code is not None
    monkeypatch.chdir(folder)
    scope: dict[str, object] = {}
    exec(
        compile(code.group(1).replace("batch_size=64", "batch_size=8"), "README.md", "exec"), scope
    )
    assert "batch" in scope


def test_the_way_from_python_of_the_readme_runs(
    folder: Path, commands: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    code = re.search(r"```python\n(import modalmill as mm.*?)```", README, re.DOTALL)
    assert code is not None
    monkeypatch.chdir(folder)
    scope: dict[str, Any] = {}
    quick = code.group(1).replace('"animal")', '"animal", train={"epochs": 1})')
    exec(compile(quick, "README.md", "exec"), scope)
    assert scope["result"].training is not None
    assert scope["model"].columns["file"].use == "image"


def test_the_demo_in_the_readme_is_a_real_one() -> None:
    shown = re.search(r"```text\n(.*?)```", README, re.DOTALL)
    assert shown is not None
    assert re.search(
        r"planted faults and [\d,]+ missing partners were found, and nothing else\.", shown.group(1)
    )
    assert "The account adds up" in shown.group(1)


def test_it_counts_its_methods_rightly() -> None:
    found = re.search(
        r"(\d+) fusions, (\d+) encoders, (\d+) ways to do without a part, (\d+) auxiliary losses",
        README,
    )
    assert found is not None
    assert [int(number) for number in found.groups()] == [
        len(cards) for cards in (FUSIONS, ENCODERS, MISSING, LOSSES)
    ]
    training = (ROOT / "docs" / "training.md").read_text()
    assert not [
        word
        for cards in (FUSIONS, ENCODERS, MISSING, LOSSES)
        for word in cards
        if f"`{word}`" not in training
    ]


def test_links_lead_somewhere() -> None:
    for path in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / path).is_file(), path
