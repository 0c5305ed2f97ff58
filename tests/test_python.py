"""The snippets of ``docs/python.md`` run as they stand there, in order, in a script of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import yaml
from tiny import jpeg, recipe, write

PAGE = (Path(__file__).parents[1] / "docs" / "python.md").read_text()


def test_the_page_runs(tmp_path: Path) -> None:
    rows = ["file,caption,animal"]
    for number in range(40):
        write(tmp_path / "raw" / "images" / f"{number}.jpg", jpeg(24, 32, seed=number % 20))
        rows.append(
            f"{number}.jpg,this is picture number {number},{'cat' if number % 2 else 'dog'}"
        )
    write(tmp_path / "raw" / "labels.csv", "\n".join(rows))
    source = {
        "type": "csv",
        "path": "labels.csv",
        "text": {"caption": "caption"},
        "media": {"image": {"path": "images/{file}"}},
        "targets": ["animal"],
    }
    stages = [{"clean.image": {}}, {"align.split": {"shares": {"train": 0.8, "test": 0.2}}}]
    value = recipe(Path("raw"), {"pictures": source}, stages, features={"image": "features.image"})
    write(tmp_path / "pets.yaml", yaml.safe_dump(value))
    snippets = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(snippets) == 5
    text = "\n".join(snippets).replace('out="out/fit")', 'out="out/fit", train={"epochs": 1})')
    write(tmp_path / "page.py", text + "\nprint(answers.column_names, len(answers))\n")
    done = subprocess.run(
        [sys.executable, "page.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "The account adds up" in done.stdout
    assert "stges: unknown option; did you mean 'stages'?" in done.stdout
    assert "['prediction', 'probability', 'missing', 'damaged'] 40" in done.stdout
    assert "fit: file: image (40 of 40 names are of files that are there" in done.stderr
    assert "fit: caption: passed over (as you said)" in done.stderr
