"""What stands for an absent part: exactly what each strategy says."""

from __future__ import annotations

import pytest
import torch
from modalmill.stages.train.methods.missing import MISSING
from modalmill.stages.train.model.missing import make_missing
from modalmill.stages.train.model.missing.fill import Mean
from modalmill.stages.train.model.missing.reconstruction import Reconstruction
from modalmill.stages.train.model.missing.retrieval import Retrieval
from torch import Tensor

PRESENT = torch.tensor([[True, True], [True, False], [False, True], [False, False]])
FILLED = [word for word in MISSING if word != "masked"]


def parts(seed: int = 0, rows: int = 4) -> tuple[list[Tensor], list[Tensor]]:
    torch.manual_seed(seed)
    return [torch.randn(rows, 3, 8), torch.randn(rows, 2, 8)], [
        torch.ones(rows, 3, dtype=torch.bool),
        torch.ones(rows, 2, dtype=torch.bool),
    ]


def seen(masks: list[Tensor], present: Tensor) -> list[Tensor]:
    return [mask & present[:, place, None] for place, mask in enumerate(masks)]


@pytest.mark.parametrize("word", FILLED)
def test_gaps_are_one_token_that_counts_as_present_and_what_is_there_keeps_its_place(
    word: str,
) -> None:
    tokens, masks = parts()
    made = make_missing(word, 2, 8).eval()
    filled, masked, present, _ = made(tokens, seen(masks, PRESENT), PRESENT)
    assert present.tolist() == [[True, True]] * 3 + [[False, False]], (
        "a row with nothing stays empty"
    )
    assert [mask.sum(1).tolist() for mask in masked] == [[3, 3, 1, 0], [2, 1, 2, 0]]
    if word != "shared_specific":
        for place in range(2):
            here = PRESENT[:, place]
            assert torch.equal(filled[place][here], tokens[place][here])


def test_masked_changes_nothing() -> None:
    tokens, masks = parts()
    filled, masked, present, info = make_missing("masked", 2, 8)(tokens, masks, PRESENT)
    assert filled is tokens
    assert masked is masks
    assert present is PRESENT
    assert info == {}


def test_zeros_are_zeros_and_the_mean_is_that_of_the_rows_that_have_the_part() -> None:
    tokens, masks = parts()
    filled, _, _, _ = make_missing("zero", 2, 8)(tokens, seen(masks, PRESENT), PRESENT)
    assert not filled[0][2, 0].any()
    mean = Mean(2, 8)
    mean.learning = True
    mean(tokens, seen(masks, PRESENT), PRESENT)
    wanted = torch.stack([tokens[0][:2].mean((0, 1)), tokens[1][[0, 2]].mean((0, 1))])
    assert torch.allclose(mean.mean_MD, wanted, atol=1e-6)
    mean.learning = False
    again, _, _, _ = mean(tokens, seen(masks, PRESENT), PRESENT)
    assert torch.allclose(again[0][2, 0], wanted[0], atol=1e-6)
    nobody = torch.zeros_like(PRESENT)
    before = mean.mean_MD.clone()
    mean.learning = True
    mean(tokens, seen(masks, nobody), nobody)
    assert torch.equal(mean.mean_MD, before)


def test_retrieval_borrows_from_the_record_that_is_alike() -> None:
    """Training rows have both parts; a row with the first part of one of them gets that one's
    second part.
    """
    memory = Retrieval(2, 8, neighbours=1, memory=16)
    memory.learning = True
    tokens, masks = parts(rows=6)
    whole = torch.ones(6, 2, dtype=torch.bool)
    memory(tokens, masks, whole)
    memory.learning = False
    first_only = torch.tensor([[True, False]]).expand(6, 2)
    order = torch.tensor([3, 1, 5, 0, 2, 4])
    asked = [tokens[0][order], torch.randn(6, 2, 8)]
    filled, _, _, _ = memory(asked, seen(masks, first_only), first_only)
    assert torch.allclose(filled[1][:, 0], tokens[1].mean(1)[order], atol=1e-5)


def test_retrieval_from_an_empty_memory_is_zero_and_old_rows_are_forgotten() -> None:
    memory = Retrieval(2, 8, neighbours=2, memory=4)
    tokens, masks = parts()
    first_only = torch.tensor([[True, False]]).expand(4, 2)
    filled, _, _, _ = memory(tokens, seen(masks, first_only), first_only)
    assert not filled[1][:, 0].any()
    memory.learning = True
    for seed in range(3):
        memory(*parts(seed), torch.ones(4, 2, dtype=torch.bool))
    assert int(memory.written) == 12
    assert torch.allclose(memory.memory_NMD[:, 0], parts(2)[0][0].mean(1), atol=1e-6)


def test_a_part_is_never_made_from_itself() -> None:
    made = Reconstruction(2, 8).eval()
    tokens, masks = parts()
    both = torch.ones(4, 2, dtype=torch.bool)
    _, first = made.filler(tokens, masks, both)
    _, second = made.filler([tokens[0] + 1, tokens[1]], masks, both)
    assert torch.allclose(first["made"][:, 0], second["made"][:, 0], atol=1e-6)
    assert not torch.allclose(first["made"][:, 1], second["made"][:, 1])


def test_nobody_borrows_from_himself() -> None:
    memory = Retrieval(2, 8, neighbours=1, memory=16)
    memory.learning, memory.record_B = True, torch.arange(6)
    tokens, masks = parts(rows=6)
    whole, first_only = (
        torch.ones(6, 2, dtype=torch.bool),
        torch.tensor([[True, False]]).expand(6, 2),
    )
    memory(tokens, masks, whole)
    filled, _, _, _ = memory(tokens, seen(masks, first_only), first_only)
    own = tokens[1].mean(1)
    assert all(not torch.allclose(filled[1][row, 0], own[row], atol=1e-3) for row in range(6))
    assert all(
        any(torch.allclose(filled[1][row, 0], other, atol=1e-5) for other in own)
        for row in range(6)
    )
