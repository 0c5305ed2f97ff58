"""Model-level fusion on tables whose right answer is known: opinion pools, weights on the simplex,
stacked models.
"""

from __future__ import annotations

import itertools

import pytest
import torch
from modalmill.stages.train.model.fusion import make_fusion
from modalmill.stages.train.model.fusion.late_weighted import simplex_weights
from modalmill.stages.train.model.fusion.stacking import StackingFusion
from torch import Tensor, nn
from torch.nn import functional


class _Says(nn.Module):
    """An expert that answers what its input says."""

    def forward(self, x_BD: Tensor) -> Tensor:
        return x_BD


def pool(
    probabilities: list[list[float]],
    prior: list[float],
    present: list[bool],
    word: str = "opinion_pool",
) -> list[float]:
    """What the pool makes of experts who answer these probabilities by themselves."""
    made = make_fusion(word, len(probabilities), len(prior), 0.0, len(prior))
    prior_O = torch.tensor(prior).log()
    with torch.no_grad():
        made.prior_O.copy_(prior_O)
    made.experts = nn.ModuleList(_Says() for _ in probabilities)
    tokens = [(torch.tensor([some]).log() - prior_O)[:, None] for some in probabilities]
    masks = [torch.ones(1, 1, dtype=torch.bool)] * len(tokens)
    logits, _ = made(tokens, masks, torch.tensor([present]))
    return [round(value, 4) for value in logits.softmax(1)[0].tolist()]


def test_the_product_of_experts_by_hand() -> None:
    """(.9, .1) x (.8, .2): .72 against .02 under a flat prior; divided once by the prior (.8, .2)
    it is .9.
    """
    assert pool([[0.9, 0.1], [0.8, 0.2]], [0.5, 0.5], [True, True]) == [0.973, 0.027]
    assert pool([[0.9, 0.1], [0.8, 0.2]], [0.8, 0.2], [True, True]) == [0.9, 0.1]
    assert pool([[0.9, 0.1], [0.8, 0.2]], [0.8, 0.2], [True, False]) == [0.9, 0.1]
    assert pool([[0.9, 0.1], [0.8, 0.2]], [0.7, 0.3], [False, False]) == [0.7, 0.3]
    assert pool([[0.9, 0.1], [0.5, 0.5]], [0.5, 0.5], [True, True], "late_weighted") == [0.7, 0.3]
    assert pool([[0.9, 0.1], [0.5, 0.5]], [0.5, 0.5], [True, False], "late_weighted") == [0.9, 0.1]


def test_the_opinion_pool_is_bayes_for_independent_channels() -> None:
    """K2: three binary channels that flip with .2: right in .8, .8 and .896 with one, two and three
    of them.
    """
    flips = list(itertools.product((0, 1), repeat=3))
    for count, wanted in ((1, 0.8), (2, 0.8), (3, 0.896)):
        right = 0.0
        for flipped in flips:
            chance = torch.tensor([0.2 if flip else 0.8 for flip in flipped]).prod().item()
            # the truth is class 1
            says = [[0.2, 0.8] if not flip else [0.8, 0.2] for flip in flipped]
            first, second = pool(says, [0.5, 0.5], [place < count for place in range(3)])
            right += chance * (0.5 if first == second else float(second > first))
        assert right == pytest.approx(wanted, abs=1e-6)


def test_for_numbers_the_pool_is_a_mean_by_precision() -> None:
    made = make_fusion("opinion_pool", 2, 1, 0.0, 1, "identity")
    made.experts = nn.ModuleList(_Says() for _ in range(2))
    with torch.no_grad():
        made.precision_M.copy_(torch.tensor([1.0, 3.0]).expm1().log())  # softplus gives 1 and 3
    tokens, masks = (
        [torch.tensor([[[2.0]]]), torch.tensor([[[4.0]]])],
        [torch.ones(1, 1, dtype=torch.bool)] * 2,
    )
    assert made(tokens, masks, torch.tensor([[True, True]]))[0].item() == pytest.approx(
        (2 + 3 * 4) / (1 + 1 + 3)
    )
    assert made(tokens, masks, torch.tensor([[False, False]]))[0].item() == 0


def test_the_weights_of_models_are_those_of_the_likeliest_mixture() -> None:
    """Beside an expert who knows the true posterior, one who knows nothing gets no weight; two
    halves of the rows get half each.
    """
    torch.manual_seed(0)
    truth = torch.rand(4000)
    drawn = torch.rand(4000) < truth
    knows = torch.where(drawn, truth, 1 - truth)
    both = torch.ones(4000, 2, dtype=torch.bool)
    weights = simplex_weights(torch.stack([knows, torch.full_like(knows, 0.5)], 1), both)
    assert weights[0] > 0.97
    assert weights.sum().item() == pytest.approx(1)
    turns = torch.tensor([[1.0, 1e-9], [1e-9, 1.0]]).repeat(50, 1)
    assert torch.allclose(simplex_weights(turns, both[:100]), torch.tensor([0.5, 0.5]), atol=1e-4)
    assert torch.allclose(
        simplex_weights(turns, torch.tensor([[True, False]]).expand(100, 2)),
        torch.tensor([0.5, 0.5]),
    )


def _stacked_accuracy(fitted_on_own_rows: bool) -> float:
    """Accuracy on new rows of a stack over a model that remembers the labels of its own rows, which
    were drawn by lot, and one that knows some.
    """
    torch.manual_seed(0)
    rows = 400
    lots, other = torch.randint(0, 2, (rows,)), torch.randint(0, 2, (rows,))
    # own rows; new rows: anything
    remembers = [
        functional.one_hot(lots, 2) * 8.0,
        functional.one_hot(torch.randint(0, 2, (rows,)), 2) * 8.0,
    ]
    knows = [torch.where(torch.rand(rows) < 0.8, some, 1 - some) for some in (lots, other)]
    levels = [
        torch.stack([memory, functional.one_hot(hint, 2) * 2.0], 1).float()
        for memory, hint in zip(remembers, knows, strict=True)
    ]
    made = StackingFusion(2, 2, 0.0, 2, "softmax")
    there = torch.ones(rows, 2, dtype=torch.bool)
    half = rows // 2
    if fitted_on_own_rows:
        made.fit(
            levels[0],
            there,
            lambda logits: functional.cross_entropy(logits, lots, reduction="none"),
        )
    else:
        made.fit(
            levels[1][:half],
            there[:half],
            lambda logits: functional.cross_entropy(logits, other[:half], reduction="none"),
        )
    made.experts = nn.ModuleList(_Says() for _ in range(2))
    tokens, masks = (
        [levels[1][half:, place : place + 1] for place in range(2)],
        [torch.ones(half, 1, dtype=torch.bool)] * 2,
    )
    logits, _ = made(tokens, masks, there[half:])
    return (logits.argmax(1) == other[half:]).float().mean().item()


def test_stacked_models_are_to_be_fitted_on_rows_that_the_models_did_not_see() -> None:
    """On its own rows the model that remembers looks perfect and is believed; on new ones it is
    worth nothing, and the stack finds that out.
    """
    assert _stacked_accuracy(fitted_on_own_rows=False) > 0.75
    assert _stacked_accuracy(fitted_on_own_rows=True) < 0.6


def test_stacked_models_take_absent_parts_into_account() -> None:
    torch.manual_seed(0)
    made = StackingFusion(2, 2, 0.0, 2, "softmax")
    wanted = torch.randint(0, 2, (600,))
    logits = torch.stack([functional.one_hot(wanted, 2) * 3.0, torch.randn(600, 2)], 1)
    present = torch.tensor([[True, True], [True, False], [False, True]]).repeat(200, 1)
    made.fit(
        logits, present, lambda found: functional.cross_entropy(found, wanted, reduction="none")
    )
    weight = made.own_M + (present.float() @ made.pair_MM.T)
    assert weight[0, 0] > 3 * weight[0, 1].abs()
    before = made.own_M.clone()
    made.fit(
        logits,
        torch.zeros_like(present),
        lambda found: functional.cross_entropy(found, wanted, reduction="none"),
    )
    assert torch.equal(made.own_M, before)
