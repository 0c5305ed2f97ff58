"""What a rule would take is what it takes: conditions beside verdicts of a run."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas
import soundfile
import yaml
from commands import here
from PIL import Image
from tiny import csv_source, recipe, write


def test_a_condition_takes_what_a_run_takes_at_any_threshold(tmp_path: Path) -> None:
    """Twenty thresholds by chance, each a rule of a real run; then the pictures go, and nothing is
    left that could be decoded.
    """
    random = np.random.default_rng(5)
    (tmp_path / "img").mkdir()
    lines = ["id,note,picture"]
    for number in range(80):
        pixels = np.full((50, 4, 3), 128, np.uint8)
        pixels[: random.integers(0, 50)] = 0
        Image.fromarray(pixels).save(tmp_path / "img" / f"{number}.png")
        # some have no picture: a rule says nothing of these
        picture = f"{number}.png" if number % 8 else ""
        lines.append(f"{number},a note of {number},{picture}")
    write(tmp_path / "t.csv", "\n".join(lines))
    source = csv_source("note", media={"image": {"path": "img/{picture}"}})
    # the ends, and one that a picture may meet
    limits = [0.0, 1.0, 0.5, *random.uniform(0, 1, 17).round(4).tolist()]
    rules = {f"image.dark - {limit}": "<= 0" for limit in limits}
    stages = [{"clean.rules": rules}]
    whole = recipe(tmp_path, {"t": source}, stages, shard=None, tolerance=1.0)
    write(tmp_path / "r.yaml", yaml.safe_dump(whole))
    out = tmp_path / "out"
    done = here("run", tmp_path / "r.yaml", "--out", out, "--engine", "serial", "--quiet")
    assert done.returncode == 0, done.stderr
    shutil.rmtree(tmp_path / "img")
    asked = [word for limit in limits for word in ("--if", f"image.dark <= {limit}")]
    done = here("yields", out, *asked)
    assert done.returncode == 0, done.stderr
    table = pandas.read_parquet(out / "signals.parquet")
    pictures = table[table.part == "image"]
    for limit, rule in zip(limits, rules, strict=True):
        verdicts = pictures[f"clean.rules.{rule}"]
        said = next(line for line in done.stdout.splitlines() if f"image.dark <= {limit} " in line)
        numbers = [int(word.replace(",", "")) for word in said.split()[3:]]
        assert numbers[:2] == [verdicts.notna().sum(), (verdicts == False).sum()]  # noqa: E712  # of three values
        assert numbers[1] == (pictures.dark > limit).sum()


def test_a_rule_was_asked_of_what_a_later_stage_trimmed(tmp_path: Path) -> None:
    quiet, loud = np.zeros(8000), 0.3 * np.random.default_rng(1).standard_normal(8000)
    for number, ends in enumerate((1, 1, 0)):
        samples = np.concatenate([quiet] * ends + [loud] + [quiet] * ends)
        soundfile.write(tmp_path / f"{number}.wav", samples, 16_000)
    source = {"type": "audio_folder", "path": "", "id": "{stem}", "part": "voice"}
    stages = [{"clean.rules": {"voice.duration_s": ">= 1"}}, "clean.trim"]
    value = recipe(tmp_path, {"s": source}, stages, shard=None, tolerance=1.0)
    write(tmp_path / "r.yaml", yaml.safe_dump(value))
    out = tmp_path / "out"
    done = here("run", tmp_path / "r.yaml", "--out", out, "--engine", "serial", "--quiet")
    assert done.returncode == 0, done.stderr
    done = here("yields", out)
    (line,) = [line for line in done.stdout.splitlines() if "voice.duration_s" in line]
    # two are trimmed to half a second after they kept the rule
    assert line.split()[-4:] == ["3", "1", "1", "0"]
