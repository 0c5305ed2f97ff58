"""States outlive the code that wrote them: the names in them, and the orders that they count in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from modalmill.stages import stream
from streams import tar

TEXT = {"question": stream.TextSpec()}
# what the first epoch is, and the data that a state of it names, as they were when states of
# version 1 were written: a change of any of these makes every interrupted run begin anew
KNOWN_ORDERS: list[tuple[dict[str, Any], str, str]] = [
    (
        {},
        "10e63269efbd55e497d48cffde427b3b",
        "13 12 09 11 17 01 04 02 00 03 16 05 07 15 14 10 08 06",
    ),
    (
        {"shuffle": False},
        "ec8c83e0c60320ee83023e67702f58fb",
        "00 01 02 03 04 05 06 07 08 09 10 11 12 13 14 15 16 17",
    ),
    (
        {"shuffle": stream.Blocks(block_bytes=4096, window_bytes=8192)},
        "471e1bad269162a592f5ecb4781e7dff",
        "09 14 07 11 04 03 15 17 08 02 10 01 05 12 13 16 06 00",
    ),
    (
        {"weights": [2, 1]},
        "5b4d9fa0cff0d56be9c5b75213e55823",
        "06 00 01 08 00 15 02 00 01 00 03 01 12 06 11 04 07 02",
    ),
    (
        {"buckets": {"text": [2, 4]}, "batch_size": 4},
        "95f81e1b350f71c34b6fc84a87d32a90",
        "03 06 02 11 10 14 15 07 09 05 - - 13 01 00 17 16 04 08 12",
    ),
    (
        {"where": "n > 2", "take": 5, "repeat": 2},
        "47d82091af210f1b689156a94d118ccc",
        "13 07 04 11 12 05 03 06 09 10 05 11 13 12 04 03 10 06 09 07",
    ),
]


def test_a_state_of_version_1_is_gone_on_with(vqa_shards: Path) -> None:
    """It called the records that are done ``samples``; everything else is as it was."""
    one = stream.open(vqa_shards, parts=TEXT, batch_size=4, seed=3)
    wanted = [batch.keys for batch in one]
    former = {"version": 1, "seed": 3, "epoch": 0, "samples": 8, "data": one.state_dict()["data"]}
    again = stream.open(vqa_shards, parts=TEXT, batch_size=4, seed=3)
    again.load_state_dict(former)
    assert again.state_dict() == {**one.state_dict(), "epoch": 0, "records_done": 8}
    assert [batch.keys for batch in again] == wanted[2:]
    for wrong in ({**former, "samples": -1}, {**former, "samples": 21}):
        with pytest.raises(stream.InputError, match="the state's samples: wanted at"):
            again.load_state_dict(wrong)
    for mixed in ({**former, "version": 2}, {**again.state_dict(), "version": 1}):
        with pytest.raises(stream.InputError, match="wanted a state of version 2"):
            again.load_state_dict(mixed)


def test_former_names_of_what_counts_records_still_answer_and_say_so(vqa_shards: Path) -> None:
    one = stream.open(vqa_shards, parts=TEXT, batch_size=4)
    batch = next(iter(one))
    with pytest.warns(DeprecationWarning, match=r"Stream.samples .* 'records' now") as told:
        assert one.samples == one.records == 20
    assert told[0].filename == __file__
    with pytest.warns(DeprecationWarning, match=r"FusionBatch.samples .* 'records_done'") as told:
        assert batch.samples == batch.records_done == 4
    assert told[0].filename == __file__


@pytest.fixture(scope="module")
def known_tars(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two tars of nine records each, of bytes that no library made."""
    root = tmp_path_factory.mktemp("known")
    return [
        tar(
            root / f"{name}.tar",
            [
                (f"{number:02d}.{ending}", data)
                for number in range(first, first + 9)
                for ending, data in (
                    ("txt", b"word " * (1 + number % 4)),
                    ("json", b'{"n": %d}' % number),
                    ("bin", bytes(600 * (number % 3))),
                )
            ],
        )
        for name, first in (("a", 0), ("b", 9))
    ]


@pytest.mark.parametrize(("options", "data", "keys"), KNOWN_ORDERS)
def test_orders_and_identities_are_those_that_saved_states_know(
    known_tars: list[Path], options: dict[str, Any], data: str, keys: str
) -> None:
    parts = {"text": stream.TextSpec(vocabulary={"word": 2})}
    one = stream.open(
        known_tars,
        seed=7,
        parts=parts,
        **{"batch_size": 6, "drop_last": False, "workers": 0, **options},
    )
    assert one.state_dict()["data"] == data
    wanted = keys.split()
    assert [key or "-" for batch in one for key in batch.keys] == wanted
    done = options.get("batch_size", 6)
    one.load_state_dict({"version": 1, "seed": 7, "epoch": 0, "samples": done, "data": data})
    assert [key or "-" for batch in one for key in batch.keys] == wanted[done:]
