"""The page: one file that needs no other and no network, in which nothing from the data is obeyed.

The same folder makes the same bytes: no clock and no path of this machine stands in it but those
that the folder holds.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ... import __version__
from ...schemas.disk import write_bytes
from ...schemas.errors import InputError
from ...schemas.layout import RunFolder
from .alike import alike_section, leaks_of, pairs_of
from .attention import attention
from .augmented import augmented_section
from .changed import before_of, changed_section
from .compared import compared_section
from .doubts import doubts_of, doubts_section
from .examples import Gallery
from .flow import flow_section
from .learned import learned_section
from .markup import Markup, count_of, element, joined
from .numbers import numbers_section
from .output import Output
from .rejected import rejects_section
from .rules import rules_section
from .spent import spent_section
from .splits import Kept, kept_of, splits_section

_TITLES = {
    "flow": "Flow",
    "changed": "Changed",
    "rules": "Rules",
    "splits": "Splits",
    "rejects": "Left out",
    "alike": "Alike",
    "doubts": "Labels",
    "augmented": "Augmented",
    "training": "Training",
    "compare": "Compared",
    "folds": "Folds",
    "costs": "Time and bytes",
    "numbers": "Facts and signals",
}


def write_page(out: Path) -> Path:
    """``OUT/report.html``, written; InputError where the folder is none of a run."""
    with _as_written(RunFolder(out).signals):
        output = Output(out)
    write_bytes(output.folder.report, page_of(output).encode())
    return output.folder.report


def page_of(output: Output) -> Markup:
    """The whole page."""
    folder, gallery = output.folder, Gallery(output)
    with _as_written(folder.manifest):
        kept = kept_of(folder)
    with _as_written(folder.account):
        flow = flow_section(output)
    with _as_written(folder.work.before):
        before = before_of(output)
        changed = changed_section(output, before)
    with _as_written(folder.rejects):
        rejects = rejects_section(output, gallery)
    with _as_written(folder.signals):
        rules, numbers = rules_section(output, gallery), numbers_section(output)
    with _as_written(folder.duplicates):
        pairs = pairs_of(output)
        leaks = leaks_of(output, pairs)
        alike = alike_section(output, pairs, leaks, gallery)
    with _as_written(folder.labels):
        doubts = doubts_of(output)
        labels = doubts_section(output, doubts, gallery)
    with _as_written(folder.manifest):
        augmented = augmented_section(output, gallery)
    with _as_written(folder.training):
        costs = spent_section(output)
        training = learned_section(output, gallery)
    compared: dict[str, Markup | None] = {}
    for name in ("compare", "folds"):
        path = folder.root / f"{name}.json"
        with _as_written(path):
            compared[name] = compared_section(path)
    sections = {
        "flow": flow,
        "changed": changed,
        "rules": rules,
        "splits": splits_section(kept),
        "rejects": rejects,
        "alike": alike,
        "doubts": labels,
        "augmented": augmented,
        "training": training,
        **compared,
        "costs": costs,
        "numbers": numbers,
    }
    there = {anchor: whole for anchor, whole in sections.items() if whole is not None}
    links = [element("li", element("a", _TITLES[anchor], href=f"#{anchor}")) for anchor in there]
    body = element(
        "body",
        element(
            "header",
            element("h1", output.name),
            element("p", _about(output), class_="quiet"),
            _totals(output, kept),
            attention(output, kept, pairs, leaks, doubts, before),
            element("nav", element("ul", *links), aria_label="Sections"),
        ),
        element("main", *there.values()),
        element("footer", element("p", f"modalmill {__version__}, from the files in this folder.")),
    )
    return joined(Markup("<!DOCTYPE html>\n"), element("html", _head(output.name), body, lang="en"))


@contextmanager
def _as_written(path: Path) -> Iterator[None]:
    """InputError with the file, or the folder of files, that is not as a run writes it."""
    try:
        yield
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise InputError(
            f"{path}: not as a run writes it ({type(error).__name__}: {error}); make it again, or"
            " remove it"
        ) from error


def _head(name: str) -> Markup:
    style = Path(__file__).with_name("style.css").read_text(encoding="utf-8")
    allowed = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; style-src 'sha256-{allowed}'; img-src data:; base-uri 'none';"
        " form-action 'none'"
    )
    return element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=policy),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", f"{name}: report"),
        element("style", Markup(style)),
    )


def _about(output: Output) -> str:
    sources = [count.name for count in output.account.sources]
    if not sources:
        return "The sources of a recipe, measured before anything is decided."
    return (
        f"What became of the raw data: {count_of(len(sources), 'source')}"
        f" ({', '.join(sources)}), {count_of(len(output.account.stages), 'stage')}."
    )


def _totals(output: Output, kept: Kept | None) -> Markup | None:
    account = output.account
    if not account.sources:
        return None
    gone = [count.rejected + count.missing for count in [*account.sources, *account.stages]]
    last = account.stages[-1:] or account.sources
    totals = {
        "read": f"{sum(count.read for count in account.sources):,}",
        "left": f"{sum(count.written for count in last):,}",
        "left out": f"{sum(gone):,}",
        "merged": f"{sum(count.merged for count in [*account.sources, *account.stages]):,}",
    }
    if kept is not None:
        parts = {part for pattern in kept.presence for part in pattern}
        totals["parts"] = f"{len(parts):,}"
        totals["splits"] = f"{len(kept.splits):,}"
    if output.shards is not None:
        size = sum(shard.bytes for shard in output.shards.shards)
        totals["shards, MB"] = f"{size / 1e6:,.1f}"
    return element(
        "dl",
        *(
            element("div", element("dt", name), element("dd", value))
            for name, value in totals.items()
        ),
        class_="totals",
    )
