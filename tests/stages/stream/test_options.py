"""The options of a stream: what a user may type, what is checked, and what is told of it, are the
same list.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
from pathlib import Path
from typing import Any, get_type_hints

import numpy as np
import pytest
from modalmill.schemas.errors import InputError
from modalmill.stages import stream
from modalmill.stages.stream.options import StreamOptions

FIELDS = {field.name: field for field in dataclasses.fields(StreamOptions)}
PARAMETERS = dict(inspect.signature(stream.open_stream).parameters)


def test_every_field_is_a_parameter_and_every_parameter_a_field() -> None:
    assert list(FIELDS) == list(PARAMETERS)


@pytest.mark.parametrize("name", FIELDS)
def test_a_field_has_the_type_and_the_default_of_its_parameter(name: str) -> None:
    field, parameter = FIELDS[name], PARAMETERS[name]
    assert field.type == parameter.annotation
    assert (parameter.default is inspect.Parameter.empty) == (field.default is dataclasses.MISSING)
    if field.default is not dataclasses.MISSING:
        assert (field.default, type(field.default)) == (parameter.default, type(parameter.default))


@pytest.mark.parametrize("name", PARAMETERS)
def test_a_parameter_is_explained_where_users_look(name: str) -> None:
    """In ``help(open_stream)`` a line begins with its name and a colon, alone or among others."""
    text = inspect.getdoc(stream.open_stream) or ""
    entries = re.findall(r"^((?:\w+, )*\w+): ", text, re.MULTILINE)
    assert name in {word for entry in entries for word in entry.split(", ")}


@pytest.mark.parametrize("name", PARAMETERS)
def test_a_parameter_reaches_its_own_field(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each value given by name is found in the field of that name, none in another's."""
    got: dict[str, Any] = {}

    class Told(Exception):
        pass

    def options(**given: Any) -> None:
        got.update(given)
        raise Told

    monkeypatch.setattr("modalmill.stages.stream.opening.StreamOptions", options)
    marks = {each: object() for each in PARAMETERS}
    with pytest.raises(Told):
        stream.open_stream(**marks)  # type: ignore[arg-type]
    assert got[name] is marks[name]
    assert len(got) == len(marks)


def test_four_options_may_be_given_by_their_place_and_no_more() -> None:
    by_place = [
        name
        for name, parameter in PARAMETERS.items()
        if parameter.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD
    ]
    assert by_place == ["shards", "split", "batch_size", "seed"]


def test_options_that_users_see_resolve_to_types() -> None:
    """Editors and typeguards can ask for them: no name of an annotation is missing."""
    assert set(get_type_hints(stream.open_stream)) == {*PARAMETERS, "return"}
    assert set(get_type_hints(StreamOptions)) == set(FIELDS)


def test_options_are_frozen_and_given_by_name() -> None:
    options = StreamOptions(shards="a")
    with pytest.raises(dataclasses.FrozenInstanceError):
        options.seed = 1  # type: ignore[misc]
    with pytest.raises(TypeError, match="positional"):
        StreamOptions("a")  # type: ignore[misc]


@pytest.mark.parametrize("name", [name for name, field in FIELDS.items() if name != "shards"])
def test_none_is_refused_or_means_that_the_stream_decides(name: str) -> None:
    """None is fine where it is the default, and an error with the option's name elsewhere."""
    given: dict[str, Any] = {"shards": "a", name: None}
    if FIELDS[name].default is None:
        assert getattr(StreamOptions(**given), name) is None
    else:
        with pytest.raises(InputError, match=f"^{name}: wanted .* found None"):
            StreamOptions(**given)


def test_numbers_of_numpy_are_numbers() -> None:
    options = StreamOptions(shards="a", seed=np.int64(7), weights=np.array([2]))  # type: ignore[arg-type]
    assert type(options.seed) is int
    assert options.weights == [2.0]


@pytest.mark.parametrize(
    ("shards", "names", "told"),
    [
        ("a", ["a"], "a"),
        (Path("a"), [Path("a")], "a"),
        (("a", Path("b")), ["a", Path("b")], "a, b"),
    ],
)
def test_one_set_is_a_list_of_one(shards: Any, names: list[Any], told: str) -> None:
    options = StreamOptions(shards=shards)
    assert (options.names, options.told_names) == (names, told)


@pytest.mark.parametrize(
    ("given", "count", "drops"),
    [
        ({}, 64, True),
        ({}, 63, False),  # nothing at all would be left
        ({"shuffle": False}, 640, False),
        ({"buckets": {"voice": [1]}}, 640, False),
        ({"drop_last": True, "shuffle": False}, 1, True),
        ({"drop_last": False}, 640, False),
        ({"shuffle": stream.Blocks()}, 64, True),
    ],
)
def test_the_last_batch_is_left_out_when_shuffling(
    given: dict[str, Any], count: int, drops: bool
) -> None:
    assert StreamOptions(shards="a", **given).drops_last(count) is drops


def test_what_is_not_said_is_found() -> None:
    options = StreamOptions(shards="a")
    assert (options.most_damage(5), options.most_damage(5000)) == (10, 50)
    assert options.worker_count >= 1
    said = StreamOptions(shards="a", damage_budget=0, workers=0, pin=False)
    assert (said.most_damage(5000), said.worker_count, said.is_pinned) == (0, 0, False)
