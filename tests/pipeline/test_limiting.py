"""A limited run takes the first records and their partners, says so everywhere, and leaves no trace
in a whole run after it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml
from commands import here
from mixture import full_recipe, products
from modalmill.pipeline.run import Result
from modalmill.schemas.index import read_shard_set
from tiny import csv_source, recipe, write


def joined(root: Path) -> dict[str, Any]:
    """Ten captions, and ten notes on them in the opposite order; caption 7 has no note, and note 99
    no caption.
    """
    captions = [f"c{number},caption {number}" for number in range(10)]
    notes = [f"c{number},note {number}" for number in reversed(range(10)) if number != 7]
    write(root / "captions.csv", "\n".join(["id,caption", *captions, "c3,a caption again"]))
    write(root / "notes.csv", "\n".join(["id,note", *notes, "c99,note 99"]))
    return recipe(
        root,
        {
            "captions": csv_source("caption", path="captions.csv"),
            "notes": csv_source("note", path="notes.csv"),
        },
        [{"align.join": {"sources": ["captions", "notes"]}}, "align.split"],
        shard={},
    )


def ids(out: Path) -> dict[str, list[str]]:
    """The parts of each record of the manifest, by the id that it has in its table."""
    rows = pq.read_table(out / "manifest" / "part-00000.parquet").to_pylist()
    return {row["origin"]["id"]: [part["name"] for part in row["parts"]] for row in rows}


def test_the_first_records_come_with_their_partners_wherever_these_lie(
    tmp_path: Path, run_recipe: Callable[..., Result]
) -> None:
    result = run_recipe(joined(tmp_path), limit=2)
    # of the notes only the last one is nobody's partner
    assert ids(tmp_path / "out") == {
        "c0": ["caption", "note"],
        "c1": ["caption", "note"],
        "c99": ["note"],
    }
    told = result.account.to_dict()
    assert told["adds_up"]
    assert told["sources"]["captions"]["notes"]["left for a run without --limit 2"] == 8
    assert told["sources"]["captions"]["reasons"] == {"duplicate_id": 1}
    assert told["sources"]["notes"]["written"] == 3


def test_a_whole_run_after_a_limited_one_writes_what_a_fresh_one_writes(
    tmp_path: Path, run_recipe: Callable[..., Result]
) -> None:
    value = full_recipe(tmp_path / "raw")
    run_recipe(value, limit=3)
    limited = products(tmp_path / "out")
    run_recipe(value)
    run_recipe(value, tmp_path / "fresh")
    whole = products(tmp_path / "out")
    assert whole == products(tmp_path / "fresh")
    assert whole != limited


def test_it_is_called_limited_wherever_somebody_looks(tmp_path: Path) -> None:
    out = tmp_path / "out"
    write(tmp_path / "r.yaml", yaml.safe_dump(joined(tmp_path)))
    done = here("run", tmp_path / "r.yaml", "--out", out, "--limit", 2, "--workers", 1)
    assert done.returncode == 0, done.stderr
    assert "A LIMITED RUN, of the first 2 records of each source" in done.stdout
    assert "This was a limited run" in done.stdout
    assert "A LIMITED RUN" in here("account", out).stdout
    assert json.loads((out / "account.json").read_text())["limit"] == 2
    assert read_shard_set(out).name.endswith("-limit-2")
    assert "-limit-2" in here("inspect", out / "shards").stdout


def test_it_takes_nobody_s_whole_run_away(tmp_path: Path) -> None:
    out = tmp_path / "out"
    write(tmp_path / "r.yaml", yaml.safe_dump(joined(tmp_path)))
    assert here("run", tmp_path / "r.yaml", "--out", out, "--quiet").returncode == 0
    before = products(out)
    done = here("run", tmp_path / "r.yaml", "--out", out, "--limit", 2, "--quiet")
    assert done.returncode == 1
    assert "choose another --out" in done.stderr
    assert products(out) == before


@pytest.mark.parametrize("limit", ["0", "-1", "many"])
def test_a_limit_is_a_number_of_records(tmp_path: Path, limit: str) -> None:
    done = here("run", tmp_path / "r.yaml", "--limit", limit)
    assert done.returncode == 2
    assert "--limit" in done.stderr


def test_few_records_from_the_front_do_not_stop_at_the_tolerance(tmp_path: Path) -> None:
    rows = [
        "id,caption",
        *(f"c{number},{'no' if number < 3 else 'two words'}" for number in range(40)),
    ]
    write(tmp_path / "t.csv", "\n".join(rows))
    value = recipe(
        tmp_path,
        {"t": csv_source("caption")},
        [{"clean.text": {"min_words": 2}}],
        shard={},
        tolerance=0.2,
    )
    write(tmp_path / "r.yaml", yaml.safe_dump(value))
    done = here("run", tmp_path / "r.yaml", "--out", tmp_path / "out", "--limit", 4)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("3 of 4 were left out") == 1
    assert "A limited run goes on" in done.stderr
    assert here("run", tmp_path / "r.yaml", "--out", tmp_path / "out").returncode == 0
