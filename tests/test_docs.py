"""Every recipe, file and command of the how-tos works as it stands there, on a folder as they
describe it; and the documentation is built, with links that lead somewhere.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from commands import here
from howto_corpora import CORPORA
from modalmill.stages import outside
from modalmill.stages.base import Addressed, Extractor, Stage, addresses
from modalmill.stages.signal import signals_of, tracks_alone
from modalmill.stages.train.methods.texts import method_words
from tiny import write

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "howto"
_MADE = ("stages", "methods", "commands", "signals")
_BLOCK = re.compile(r"^```(\w+)(?: title=\"([^\"]+)\")?\n(.*?)^```", re.DOTALL | re.MULTILINE)


@pytest.fixture(autouse=True)
def _alone() -> Iterator[None]:
    """What a how-to defines is forgotten when it is over."""
    yield
    outside.use([], keep=True)


def carry_out(page: Path, root: Path) -> list[tuple[str, CompletedProcess[str]]]:
    """Write the files of a page and run its commands in ``root``, in the order in which they
    stand.
    """
    done = []
    for language, title, text in _BLOCK.findall(page.read_text()):
        if title:
            write(root / title, text)
        if language != "console":
            continue
        for line in text.splitlines():
            program, *words = shlex.split(line.removeprefix("$ "))
            result = (
                here(*words, cwd=root)
                if program == "modalmill"
                else subprocess.run(
                    [sys.executable, *words], cwd=root, capture_output=True, text=True, check=False
                )
            )
            done.append((line, result))
    return done


@pytest.mark.parametrize("name", sorted(path.stem for path in FOLDER.glob("*.md")))
def test_every_command_of_a_how_to_runs(name: str, tmp_path: Path) -> None:
    CORPORA[name](tmp_path)
    done = carry_out(FOLDER / f"{name}.md", tmp_path)
    assert done
    for line, result in done:
        assert result.returncode == 0, f"{line}\n{result.stdout}\n{result.stderr}"


def test_every_command_of_the_tutorial_runs_and_says_what_it_tells(tmp_path: Path) -> None:
    page = ROOT / "docs" / "tutorial.md"
    done = dict(carry_out(page, tmp_path))
    for line, result in done.items():
        assert result.returncode == 0, f"{line}\n{result.stdout}\n{result.stderr}"
    told = done["$ modalmill init flowers"]
    for line in re.findall(r"```text\n(.*?)```", page.read_text(), re.DOTALL)[0].splitlines():
        assert line in told.stdout + told.stderr, line
    rejects = done["$ modalmill rejects out/flowers"].stdout
    assert "image_header" in rejects
    assert "no_image_file" in rejects


def test_every_operator_stands_in_the_table_of_rates() -> None:
    page = (ROOT / "docs" / "operators.md").read_text()
    operators = [each for each in addresses(Stage) if each.startswith(("clean.", "augment."))]
    operators += addresses(Extractor)
    for kind in ("image", "audio", "video", "text"):
        operators += [f"{kind}.{name}" for name in (*signals_of(kind), *tracks_alone(kind))]
    assert [each for each in operators if f"`{each}`" not in page] == []


def test_the_documentation_is_built_with_all_that_there_is(tmp_path: Path) -> None:
    """Its settings make a mistake of every link that leads nowhere."""
    command = [sys.executable, "-m", "mkdocs", "build", "--site-dir", tmp_path]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    pages = {name: (tmp_path / "reference" / name / "index.html").read_text() for name in _MADE}
    for address in addresses(Addressed):
        assert f'id="{address.replace(".", "")}"' in pages["stages"]
    for word in method_words():
        assert f">{word}<" in pages["methods"], word
    assert 'id="run"' in pages["commands"]
    assert "sharpness" in pages["signals"]
    settings = (ROOT / "mkdocs.yml").read_text()
    shown = {path.relative_to(ROOT / "docs").as_posix() for path in ROOT.glob("docs/**/*.md")}
    assert all(page in settings for page in shown)
