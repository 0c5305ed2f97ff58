"""Copies beside their originals, what a second run changed, and what both cost: a page of a run
that augments, carried out twice.
"""

from __future__ import annotations

import base64
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
import yaml
from browser import Browser
from commands import here
from learned import trained
from pages import Page
from PIL import Image
from tiny import csv_source, recipe, wav, write

LEFT_SIDE = (255, 0, 0)


@pytest.fixture(scope="module")
def twice(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An output folder of which the first run kept texts of any length, and the second those of
    four words and more.
    """
    root = tmp_path_factory.mktemp("augmented")
    lines = ["id,note,answer"]
    for number in range(12):
        pixels = np.zeros((64, 64, 3), np.uint8)
        pixels[:, :32] = LEFT_SIDE
        (root / "img").mkdir(exist_ok=True)
        Image.fromarray(pixels).save(root / "img" / f"{number}.png")
        write(root / "snd" / f"{number}.wav", wav(300))
        words = "the red one is on the left" if number % 3 else "all red"
        lines.append(f"{number},{words},{'left' if number % 2 else 'none'}")
    write(root / "t.csv", "\n".join(lines))
    media = {"image": {"path": "img/{id}.png"}, "sound": {"path": "snd/{id}.wav"}}
    source = csv_source("note", targets=["answer"], media=media)
    augment = [{"augment.flip": {}}, {"augment.noise": {"snr_db": [0, 1]}}]
    for least in (1, 4):
        stages = [{"clean.text": {"min_words": least}}, *augment]
        whole = recipe(root, {"t": source}, stages, shard={}, tolerance=1.0)
        write(root / "r.yaml", yaml.safe_dump(whole))
        done = here("run", root / "r.yaml", "--out", root / "out", "--engine", "serial", "--quiet")
        assert done.returncode == 0, done.stderr
    page = trained(root / "out")
    assert "augmented" in {value for name, value in page.attributes if name == "id"}
    return root / "out"


@pytest.fixture(scope="module")
def page(twice: Path) -> Page:
    return Page(twice / "report.html")


def pictures(source: str, alt: str) -> list[np.ndarray]:
    found = re.findall(rf'<img src="data:image/jpeg;base64,([^"]+)" alt="{alt}', source)
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(data))), int) for data in found]


def test_a_picture_stands_beside_its_mirror_image(page: Page) -> None:
    before, after = (
        pictures(page.source, f"image {word} ?.*? of t-") for word in ("before", "after")
    )
    assert len(before) == len(after) == 4
    for one, other in zip(before, after, strict=True):
        assert np.abs(one - LEFT_SIDE)[:, :28].max() < 20
        assert np.abs(one[:, ::-1] - other).max() < 20


def test_words_that_were_exchanged_are_marked_and_targets_told(page: Page) -> None:
    assert page.source.count("on the <mark>right</mark>") == 4
    assert "answer: left → right" in page.text


def test_a_sound_stands_beside_its_noisy_copy(page: Page) -> None:
    said = re.findall(r"noise snr_db ([\d.]+)", page.text)
    assert said
    assert all(0 <= float(ratio) <= 1 for ratio in said)
    assert page.text.count("sound before") == len(said)
    waves = re.findall(r'<polygon points="([^"]*)"', page.source)
    assert len(set(waves)) >= len(said) + 1, "each copy has a noise of its own"


def test_what_the_second_run_changed_is_told_by_stage_and_reason(page: Page) -> None:
    options = page.table("Options of the recipe")
    assert options == [{"option": "stages.0.clean.text.min_words", "before": "1", "now": "4"}]
    changes = {(row["where"], row["what"]): row for row in page.table("Counts that are others")}
    lost = changes["clean.text", "left out: text_too_short"]
    assert (lost["before"], lost["now"], lost[""]) == ("–", "4", "+4")
    assert changes["clean.text", "written"][""] == "-4"
    assert not any(where == "t" for where, _ in changes), "the source gave the same"
    assert "records fewer left than by the run before" in page.text


def test_a_run_that_changes_nothing_leaves_the_comparison(twice: Path) -> None:
    before, account = ((twice / name).read_bytes() for name in ("work/before.json", "account.json"))
    kept = (twice / "work" / "costs.json").read_bytes()
    done = here("run", twice.parent / "r.yaml", "--out", twice, "--engine", "serial", "--quiet")
    assert done.returncode == 0, done.stderr
    assert (twice / "work" / "before.json").read_bytes() == before != account
    assert (twice / "work" / "costs.json").read_bytes() == kept


def test_each_step_has_its_time_and_its_bytes(page: Page, twice: Path) -> None:
    rows = {row["step"]: row for row in page.table("What each step cost")}
    assert list(rows) == [
        *("ingest", "measure", "clean.text", "augment.flip", "augment.noise", "shard", "training")
    ]
    assert rows["measure"]["done"] == "12 files"
    assert rows["clean.text"]["done"] == "12 records"
    assert all(float(row["seconds"]) > 0 for row in rows.values())
    size = sum(path.stat().st_size for path in (twice / "shards").iterdir())
    assert rows["shard"]["MB"] == f"{size / 1e6:,.1f}"


@pytest.mark.parametrize("width", [360, 1280])
def test_a_page_with_everything_fits_and_asks_for_nothing(
    twice: Path, browser: Browser, width: int
) -> None:
    browser.open(twice / "report.html", width, dark=width == 360)
    browser.value("document.querySelectorAll('details').forEach(each => each.open = true)")
    assert browser.value("document.documentElement.scrollWidth") <= width
    assert browser.named("Log.entryAdded") == []
    asked = [event["request"]["url"] for event in browser.named("Network.requestWillBeSent")]
    assert [url[:5] for url in asked if not url.startswith("data:")] == ["file:"]
    # whoever has no mouse gets to every table that scrolls
    scrolls = "[...document.querySelectorAll('.wide')].every(each => each.tabIndex === 0)"
    assert browser.value(scrolls)


def test_a_note_of_the_run_before_that_is_torn_is_named(twice: Path, tmp_path: Path) -> None:
    torn = twice / "work" / "before.json"
    kept = torn.read_bytes()
    torn.write_text(json.dumps({"account": 1}))
    done = here("report", twice)
    torn.write_bytes(kept)
    assert done.returncode == 1
    assert str(torn) in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
