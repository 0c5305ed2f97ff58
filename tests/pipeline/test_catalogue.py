"""What a recipe can name tells a person all about itself."""

from __future__ import annotations

import dataclasses
import re

import pytest
import yaml
from modalmill.pipeline.catalogue import stage_text, stages_text
from modalmill.schemas.errors import InputError
from modalmill.stages.base import Addressed, Extractor, Source, addresses, find
from modalmill.stages.modality import names
from modalmill.stages.train.methods.encoders import ENCODERS
from modalmill.stages.train.methods.fusions import FUSIONS
from modalmill.stages.train.methods.losses import LOSSES
from modalmill.stages.train.methods.missing import MISSING
from modalmill.stages.train.methods.presets import METHODS
from modalmill.stages.train.methods.texts import method_text, methods_text
from modalmill.stages.train.options import parse_options

EVERY = [(address, kind) for kind in (Source, Addressed, Extractor) for address in addresses(kind)]


@pytest.mark.parametrize(("address", "kind"), EVERY, ids=[address for address, _ in EVERY])
def test_every_option_is_explained(address: str, kind: type[Addressed]) -> None:
    told, _, options = stage_text(address).partition("  options:")
    assert address.partition(".")[2] in stages_text()
    # all of them are dataclasses
    for item in dataclasses.fields(find(address, kind)):  # type: ignore[arg-type]
        assert re.search(rf"(^|[ ,.]){item.name}(,[^:\n]*)?:", told, re.MULTILINE), (
            f"{address} says nothing of {item.name}"
        )
        assert f"    {item.name}: " in options


@pytest.mark.parametrize(
    "cards", [FUSIONS, ENCODERS, MISSING, LOSSES], ids=["fusion", "encoders", "missing", "losses"]
)
def test_every_method_explains_its_options(cards: dict[str, object]) -> None:
    for word, card in cards.items():
        # a Card
        told = "\n".join(card.told(word, "{}")[1:]).partition("in a recipe")[0]  # type: ignore[attr-defined]
        for option in card.defaults():  # type: ignore[attr-defined]
            assert re.search(rf"\b{option}\b", told), f"{word} says nothing of {option}"


def test_every_line_that_is_shown_is_one_that_recipes_take() -> None:
    for word in {*FUSIONS, *ENCODERS, *MISSING, *LOSSES, *METHODS}:
        for line in re.findall(r"(?:in a recipe|with options|which is): +(.*)", method_text(word)):
            said = yaml.safe_load(
                "{" + line.replace("<target>", "other").replace("<part>", "a") + "}"
            )
            section = {"target": "y", "inputs": {"a": {}, "b": {}}, **said}
            if "inputs" in said and not said["inputs"]["a"].get("feature"):
                assert ENCODERS[word].reads in names()
            assert parse_options(section)[1] == [], (word, line)


def test_names_may_be_short_and_stand_for_several() -> None:
    assert stage_text("split").startswith("align.split\n")
    both = stage_text("text")
    assert "clean.text\n" in both
    assert "features.text\n" in both
    assert "modality: str | None = None" in stage_text("csv"), "options within options"
    both = method_text("reconstruction")
    assert "missing: {reconstruction: {weight: 0.2}}" in both
    assert "losses: [{reconstruction: {weight: 0.2}}]" in both
    assert "fusion: mean, losses: [mutual]" in method_text("dml")
    assert all(method_text(word) for word in METHODS)
    assert "modalmill methods NAME" in methods_text()
    assert stage_text("CSV") == stage_text("csv")
    for text, wrong, there in (
        (stage_text, "gated", "modalmill methods gated"),
        (method_text, "jsonl", "modalmill stages jsonl"),
    ):
        with pytest.raises(InputError, match=there):
            text(wrong)
    for text, wrong in ((stage_text, "splt"), (method_text, "gatde")):
        with pytest.raises(InputError, match="did you mean"):
            text(wrong)
