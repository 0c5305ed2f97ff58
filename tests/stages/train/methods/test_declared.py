"""Options that an encoder declares beside its code: known without torch, and what its constructor
gets.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from modalmill.schemas.errors import InputError
from modalmill.stages import outside
from modalmill.stages.train.data.inputs import Inputs
from modalmill.stages.train.methods.declared import declared_options
from modalmill.stages.train.methods.texts import method_text
from modalmill.stages.train.model.encoders import make_encoder
from modalmill.stages.train.model.encoders.text import TextTransformer
from modalmill.stages.train.options import TrainOptions, parse_options
from tiny import write
from torch import nn

VOCABULARY = {"vocabulary": {"cat": 2, "dog": 3}}
OWN = '''
"""A text as the mean of its words."""

from modalmill.stages.train.methods import Card
from torch import nn


class Bag(nn.Module):
    """The mean of all words, on so many places. places: of the mean. scale: of it."""

    def __init__(self, width, part, *, places=3, scale=0.5):
        super().__init__()
        self.words, self.places, self.scale = nn.Embedding(9, width), places, scale

    def forward(self, ids_BT, length_B, present_B):
        mean_BD = self.scale * self.words(ids_BT).mean(1)
        return (
            mean_BD[:, None].expand(-1, self.places, -1),
            present_B[:, None].expand(-1, self.places),
        )


BAG = Card(f"{__name__}:Bag", "the mean of the words", "of this test", "D", reads="text")
ENCODERS = {"bag": BAG}
'''


@pytest.fixture(autouse=True)
def _alone() -> Iterator[None]:
    yield
    outside.use([], keep=True)


def section(encoder: object, **beside: object) -> dict[str, object]:
    return {"target": "y", "inputs": {"note": {"encoder": encoder, **beside}}}


def encoder_of(value: dict[str, object]) -> nn.Module:
    options, problems = parse_options(value)
    assert options is not None, problems
    inputs = Inputs(options, {"note": "text"}, {"note": VOCABULARY}, {})
    return make_encoder("note", inputs.part("note"), options)


CONSTRUCTOR = "\n def __init__(self, width, part, "


@pytest.mark.parametrize(
    ("code", "options"),
    [
        (f"class A:{CONSTRUCTOR}*, deep=2, sizes=(3, 4)): 0\n", {"deep": 2, "sizes": [3, 4]}),
        (f"class A:{CONSTRUCTOR}rank=7): 0\n", {}),
        ("class A: 0\n", {}),
        (f"class _B:{CONSTRUCTOR}*, rate=-0.5): 0\nclass A(nn.Module, _B): 0\n", {"rate": -0.5}),
        (
            f"class _B:{CONSTRUCTOR}*, rate=1): 0\nclass A(_B):{CONSTRUCTOR}*, word='x'): 0\n",
            {"word": "x"},
        ),
    ],
)
def test_options_are_the_keyword_only_arguments(
    tmp_path: Path, code: str, options: dict[str, object]
) -> None:
    """The code is not run: ``nn`` is no name in it."""
    assert declared_options(write(tmp_path / "a.py", code), "A") == options


@pytest.mark.parametrize(
    ("argument", "found"),
    [("deep", "found none"), ("deep=2 * N", "found 2 * N"), ("deep=print()", "found print()")],
)
def test_a_default_that_a_recipe_cannot_know_is_told(
    tmp_path: Path, argument: str, found: str
) -> None:
    code = f"class A:\n def __init__(self, width, part, *, {argument}): 0\n"
    wanted = f"A: deep: wanted a default that is a plain value .*, {re.escape(found)};"
    with pytest.raises(InputError, match=wanted):
        declared_options(write(tmp_path / "a.py", code), "A")


def test_options_of_encoders_are_listed_and_checked_without_torch() -> None:
    """In a process that has no torch."""
    code = (
        "import sys\n"
        "sys.modules['torch'] = None\n"
        "from modalmill.stages.train.methods.texts import method_text, methods_text\n"
        "from modalmill.stages.train.options import parse_options\n"
        "assert '; layers=2' in methods_text()\n"
        "said = 'with options: inputs: {<part>: {encoder: {transformer: {layers: 2}}}}'\n"
        "assert said in method_text('transformer')\n"
        "value = {'target': 'y', 'inputs': {'note': {'encoder': {'transformer': {'layer': 3}}}}}\n"
        "print(parse_options(value)[1][0])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == (
        "train.inputs.note.encoder.transformer.layer: unknown option; did you mean 'layers'?"
    ), done.stderr


def test_the_encoder_gets_its_options() -> None:
    for encoder, layers in (("transformer", 2), ({"transformer": {"layers": 5}}, 5)):
        for value in (
            section(encoder),
            {"target": "y", "inputs": {"note": {}}, "encoders": {"text": encoder}},
        ):
            made = encoder_of(value)
            assert isinstance(made, TextTransformer)
            assert len(made.layers) == layers


def test_options_outlive_a_checkpoint() -> None:
    """Training options as JSON give the same ones again, and words alone stay words."""
    for encoder in ("transformer", {"transformer": {"layers": 5}}):
        options, _ = parse_options(section(encoder))
        assert options is not None
        assert options.model_dump()["inputs"]["note"]["encoder"] == encoder
        assert TrainOptions.model_validate(options.model_dump()) == options


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (
            section({"transformer": {"layers": 0}}),
            "train.inputs.note.encoder.transformer.layers: wanted at least 1, found 0",
        ),
        (
            section({"transformer": {"layers": 2.5}}),
            "train.inputs.note.encoder.transformer.layers: wanted a whole number, as 2, found 2.5",
        ),
        (
            section({"lstm": {"layers": 2}}),
            "train.inputs.note.encoder.lstm.layers: unknown option",
        ),
        (
            section({"transfomer": {"layers": 2}}),
            "train.inputs.note.encoder: no such encoder 'transfomer'; did you mean 'transformer'?",
        ),
        (
            section({"transformer": {}, "lstm": {}}),
            "train.inputs.note.encoder: wanted one method, as 'cnn' or {cnn: {option: value}},"
            " found 2",
        ),
        (
            section("transformer", layers=3),
            "train.inputs.note.layers: an option of the encoder; write encoder: {transformer:"
            " {layers: 3}}",
        ),
        (
            {
                "target": "y",
                "inputs": {"a": {}},
                "encoders": {"text": {"transformer": {"wide": 1}}},
            },
            "train.encoders.text.transformer.wide: unknown option; known are: layers",
        ),
    ],
)
def test_a_choice_that_cannot_be_meant_is_told(value: dict[str, object], told: str) -> None:
    assert parse_options(value)[1] == [told]


def test_an_encoder_of_a_users_file_declares_its_own(tmp_path: Path) -> None:
    """One file: the code, its options, its card."""
    outside.use([write(tmp_path / "bags.py", OWN)])
    said = "encoder: {bag: {places: 3, scale: 0.5}}"
    assert said in method_text("bag")
    ids_BT, here_B = torch.tensor([[2, 3]]), torch.tensor([True])
    for encoder, places in (("bag", 3), ({"bag": {"places": 7}}, 7)):
        tokens_BTD, mask_BT = encoder_of(section(encoder))(ids_BT, None, here_B)
        assert tokens_BTD.shape[:2] == mask_BT.shape == (1, places)
    assert parse_options(section({"bag": {"place": 7}}))[1] == [
        "train.inputs.note.encoder.bag.place: unknown option; did you mean 'places'?"
    ]
