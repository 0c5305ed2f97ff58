"""The page as a whole: in a browser, against hostile data, and always the same."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from browser import Browser
from commands import here
from pages import Page

WIDTHS = pytest.mark.parametrize("width", [360, 1280])


@WIDTHS
def test_nothing_is_wider_than_the_window(ran: Path, browser: Browser, width: int) -> None:
    browser.open(ran / "report.html", width)
    assert browser.value("document.documentElement.scrollWidth") <= width
    assert browser.value("document.querySelectorAll('img').length") > 10


def test_the_browser_complains_of_nothing_and_asks_for_nothing(ran: Path, browser: Browser) -> None:
    browser.open(ran / "report.html")
    assert browser.named("Log.entryAdded") == []
    assert browser.named("Runtime.consoleAPICalled") == []
    assert browser.named("Runtime.exceptionThrown") == []
    asked = [event["request"]["url"] for event in browser.named("Network.requestWillBeSent")]
    assert [url[:5] for url in asked if not url.startswith("data:")] == ["file:"]


def test_the_style_applies_under_the_policy_and_follows_the_scheme(
    ran: Path, browser: Browser
) -> None:
    """The hash of the policy is that of the style: with another, the page would be bare."""
    paper = "getComputedStyle(document.body).backgroundColor"
    browser.open(ran / "report.html")
    assert browser.value(paper) == "rgb(255, 255, 255)"
    browser.open(ran / "report.html", dark=True)
    assert browser.value(paper) == "rgb(20, 23, 27)"


def test_a_script_in_the_data_does_not_run(ran: Path, browser: Browser) -> None:
    browser.open(ran / "report.html")
    assert browser.value("document.title") == "tiny: report"
    assert browser.value("document.scripts.length") == 0


def test_the_policy_stops_a_script_that_got_in(copied: Path, browser: Browser) -> None:
    page = copied / "report.html"
    page.write_text(page.read_text().replace("<main>", "<main><script>document.title=1</script>"))
    browser.open(page)
    assert browser.value("document.scripts.length") == 1
    assert browser.value("document.title") == "tiny: report"


def test_the_folded_is_printed_as_well(ran: Path, browser: Browser) -> None:
    browser.open(ran / "report.html")
    shown = "document.querySelector('details:not([open]) table').checkVisibility()"
    tall = "document.querySelector('details:not([open]) table').getBoundingClientRect().height"
    browser.call("Emulation.setEmulatedMedia", media="print")
    assert browser.value(tall) > 20
    assert browser.value(shown.replace("()", "({contentVisibilityAuto: true})"))
    browser.call("Emulation.setEmulatedMedia", media="")


def test_data_become_text_and_never_tags(page: Page) -> None:
    assert "script" not in page.tags
    assert not {name for name, _ in page.attributes} & {"onerror", "onclick", "style"}
    assert "<script>document.title='hit'</script>" in page.text
    assert "<i>yes</i>" in {word.strip() for word in page.words}
    assert "<b>0&.png" in page.text
    assert "b" in page.tags  # of the page itself


def test_the_same_folder_gives_the_same_bytes(ran: Path) -> None:
    before = (ran / "report.html").read_bytes()
    assert here("report", ran).returncode == 0
    assert (ran / "report.html").read_bytes() == before


def test_every_picture_says_what_it_is_and_every_link_leads_somewhere(page: Page) -> None:
    images = page.tags.count("img")
    assert images == sum(name == "alt" and value != "" for name, value in page.attributes) > 10
    ids = {value for name, value in page.attributes if name == "id"}
    links = [value for name, value in page.attributes if name == "href"]
    assert links
    assert [link for link in links if link.removeprefix("#") not in ids] == []
    assert page.tags.count("table") == page.tags.count("caption")


def test_a_section_that_has_nothing_to_say_is_left_out(page: Page) -> None:
    ids = {value for name, value in page.attributes if name == "id"}
    assert {"flow", "rules", "splits", "rejects", "numbers"} <= ids
    assert not {"doubts", "training"} & ids


def test_a_folder_of_no_run_is_told_in_one_sentence(tmp_path: Path) -> None:
    done = here("report", tmp_path)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        f"modalmill: {tmp_path}: no account.json here; wanted the output folder of 'modalmill run'"
    ]
    assert not (tmp_path / "report.html").exists()


def test_who_only_measures_gets_a_page_too(ran: Path, tmp_path: Path) -> None:
    out = tmp_path / "looked"
    assert (
        here("measure", ran.parent / "r.yaml", "--out", out, "--engine", "serial").returncode == 0
    )
    assert here("report", out).returncode == 0
    ids = {value for name, value in Page(out / "report.html").attributes if name == "id"}
    assert "numbers" in ids
    assert not {"flow", "rules", "splits"} & ids


@pytest.mark.parametrize(
    "name",
    [
        "manifest/part-00000.parquet",
        "signals.parquet",
        "rejects.parquet",
        "training/log.jsonl",
        "compare.json",
    ],
)
def test_a_file_that_is_not_as_runs_write_it_is_named(copied: Path, name: str) -> None:
    other = copied / name
    other.parent.mkdir(exist_ok=True)
    if other.suffix == ".parquet":
        pq.write_table(pa.table({"a": [1]}), other)
    else:
        other.write_text("[1]\n")
    done = here("report", copied)
    assert done.returncode == 1
    assert str(copied / name.partition("/")[0]) in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
