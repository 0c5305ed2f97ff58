"""What each fusion computes, by hand: its equation on numbers whose answer is known."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from modalmill.stages.train.methods.card import mistakes
from modalmill.stages.train.methods.fusions import FUSIONS
from modalmill.stages.train.model.fusion import make_fusion
from modalmill.stages.train.model.fusion._pool import weigh
from torch import Tensor, nn
from torch.nn import functional

SOME = torch.tensor([[True, True, False]])


def tokens_of(*values: float, width: int = 1) -> tuple[list[Tensor], list[Tensor]]:
    """One token a part, the same value in every feature."""
    return [torch.full((1, 1, width), value) for value in values], [
        torch.ones(1, 1, dtype=torch.bool) for _ in values
    ]


def fused(word: str, values: tuple[float, ...], present: Tensor, **options: object) -> float:
    made = make_fusion({word: options}, len(values), 1, 0.0)
    return float(made(*tokens_of(*values), present)[0].item())


def test_sum_mean_maximum_and_product_of_what_is_there() -> None:
    values = (2.0, 4.0, 100.0)
    assert fused("add", values, SOME) == 6
    assert fused("mean", values, SOME) == 3
    assert fused("max", values, SOME) == 4
    assert fused("max", (-2.0, -4.0, 100.0), SOME) == -2
    assert fused("multiply", values, SOME, bare=True) == 8
    assert fused("multiply", values, SOME) == 3 + 3 * 8
    assert fused(
        "weighted", (4.0, 8.0), torch.tensor([[True, True]]), weights=[0.25, 0.75]
    ) == pytest.approx(7)


def test_product_then_logarithm_is_the_logarithm_of_the_geometric_mean() -> None:
    raw = [math.log(math.expm1(value)) for value in (1.0, 4.0, 16.0)]  # softplus gives 1, 4, 16
    assert fused("geometric", (*raw,), torch.ones(1, 3, dtype=torch.bool)) == pytest.approx(
        math.log(4), abs=1e-5
    )
    assert fused("geometric", (*raw,), SOME) == pytest.approx(math.log(2), abs=1e-5)


@pytest.mark.parametrize(
    "word", ["mean", "max", "weighted", "modality_attention", "token_attention"]
)
def test_one_present_part_gives_exactly_that_part(word: str) -> None:
    torch.manual_seed(0)
    tokens, masks = (
        [torch.randn(4, 3, 8) for _ in range(3)],
        [torch.ones(4, 3, dtype=torch.bool)] * 3,
    )
    # so that any average over tokens is the token
    tokens = [part[:, :1].expand(-1, 3, -1) for part in tokens]
    for place in range(3):
        present = torch.zeros(4, 3, dtype=torch.bool)
        present[:, place] = True
        assert torch.allclose(
            make_fusion(word, 3, 8, 0.0)(tokens, masks, present)[0], tokens[place][:, 0], atol=1e-6
        )


def test_weights_add_up_to_one_over_what_is_there_and_are_zero_elsewhere() -> None:
    torch.manual_seed(0)
    present = torch.tensor(list(itertools.product((False, True), repeat=3)))
    tokens = [torch.randn(8, 2, 8) for _ in range(3)]
    masks = [torch.tensor([[True, False]]).expand(8, 2) for _ in range(3)]
    for word in ("weighted", "gated", "modality_attention"):
        weights = make_fusion(word, 3, 8, 0.0)(tokens, masks, present)[1]["weights"]
        assert torch.allclose(weights.sum(1), present.any(1).float())
        assert not weights[~present].any()
    weights = make_fusion("token_attention", 3, 8, 0.0)(tokens, masks, present)[1]["weights"]
    assert torch.allclose(weights.sum(1), present.any(1).float())
    assert not weights[:, 1::2].any()  # the second token of each part is padding


def test_attention_with_a_query_of_zero_is_the_mean_and_otherwise_torchs_own() -> None:
    torch.manual_seed(0)
    present = torch.tensor([[True, False, True], [True, True, True]])
    tokens = [torch.randn(2, 1, 8) for _ in range(3)]
    masks = [torch.ones(2, 1, dtype=torch.bool)] * 3
    made = make_fusion("modality_attention", 3, 8, 0.0)
    keys = made.key(torch.cat(tokens, 1)).tanh()
    wanted = functional.scaled_dot_product_attention(
        made.query_D.expand(2, 1, 8),
        keys,
        torch.cat(tokens, 1),
        attn_mask=present[:, None],
        scale=1.0,
    )[:, 0]
    assert torch.allclose(made(tokens, masks, present)[0], wanted, atol=1e-6)
    with torch.no_grad():
        made.query_D.zero_()
    mean = make_fusion("mean", 3, 8, 0.0)
    assert torch.allclose(
        made(tokens, masks, present)[0], mean(tokens, masks, present)[0], atol=1e-6
    )


def test_a_low_rank_tensor_equals_the_full_tensor_of_its_factors() -> None:
    torch.manual_seed(0)
    made = make_fusion({"low_rank": {"rank": 2}}, 3, 4, 0.0).double()
    h = torch.randn(5, 3, 4, dtype=torch.float64)
    present = torch.rand(5, 3) < 0.7
    ones = torch.cat([torch.ones(5, 3, 1, dtype=torch.float64), h * present[:, :, None]], 2)
    outer = torch.einsum("bi,bj,bk->bijk", ones[:, 0], ones[:, 1], ones[:, 2])
    full = torch.einsum(
        "r,rid,rjd,rkd->ijkd", made.scale, made.factors[0], made.factors[1], made.factors[2]
    )
    assert torch.allclose(
        made.combine(h, present)[0], torch.einsum("bijk,ijkd->bd", outer, full), atol=1e-10
    )


def test_the_tensor_holds_every_product_once() -> None:
    made = make_fusion({"tensor": {"rank": 2}}, 2, 3, 0.0)
    with torch.no_grad():
        for narrow in made.narrow:
            narrow.weight.copy_(torch.eye(2, 3))
            narrow.bias.zero_()
    caught: list[Tensor] = []
    made.out.register_forward_pre_hook(lambda module, inputs: caught.append(inputs[0]))
    h = torch.tensor([[[2.0, 3.0, 0.0], [5.0, 7.0, 0.0]]])
    made.combine(h, torch.tensor([[True, True]]))
    made.combine(h, torch.tensor([[True, False]]))
    assert caught[0].tolist() == [[1, 5, 7, 2, 10, 14, 3, 15, 21]]
    assert caught[1].tolist() == [[1, 0, 0, 2, 0, 0, 3, 0, 0]]
    assert mistakes("train.fusion", "tensor", FUSIONS, 9) == [
        "train.fusion.tensor: 9 parts at rank 7 have 134,217,728 products, at most 65,536 are"
        " taken; use low_rank, or a smaller rank"
    ]


def test_factorization_fills_in_what_one_hidden_vector_explains() -> None:
    torch.manual_seed(0)
    made = make_fusion({"factorization": {"rank": 2}}, 3, 6, 0.0)
    with torch.no_grad():
        made.log_ridge.fill_(-30.0)  # a ridge of almost nothing
    hidden = torch.randn(4, 2)
    whole = torch.einsum("mdr,br->bmd", made.loadings_MDR, hidden) + made.centre_MD
    present = torch.tensor(
        [[True, True, True], [True, False, True], [False, True, False], [False, False, False]]
    )
    _, info = made.combine(whole * present[:, :, None], present)
    assert torch.allclose(info["imputed"][:3], whole[:3], atol=1e-4)
    assert not made.hidden(whole, present)[3].any()


def test_factorization_of_a_matrix_of_rank_one() -> None:
    """[[1, 2], [2, ?]] at rank 1 is 4."""
    made = make_fusion({"factorization": {"rank": 1}}, 2, 1, 0.0)
    with torch.no_grad():
        made.loadings_MDR.copy_(torch.tensor([[[1.0]], [[2.0]]]))
        made.log_ridge.fill_(-30.0)
    _, info = made.combine(torch.tensor([[[2.0], [99.0]]]), torch.tensor([[True, False]]))
    assert info["imputed"][0, 1].item() == pytest.approx(4.0, abs=1e-4)


def test_a_non_local_block_is_the_identity_at_first_and_its_dense_formula_later() -> None:
    torch.manual_seed(0)
    made = make_fusion("non_local", 2, 4, 0.0)
    made.mix = nn.Identity()
    x, c = torch.randn(2, 3, 4), torch.randn(2, 5, 4)
    masks = [torch.ones(2, 3, dtype=torch.bool), torch.ones(2, 5, dtype=torch.bool)]
    both = torch.ones(2, 2, dtype=torch.bool)
    assert torch.allclose(made([x, c], masks, both)[0], (x.mean(1) + c.mean(1)) / 2, atol=1e-6)
    nn.init.normal_(made.out.weight)
    out, info = made([x, c], masks, both)
    attended = (made.theta(x) @ made.phi(c).transpose(1, 2)).softmax(2)
    assert torch.allclose(info["weights_0"], attended, atol=1e-6)
    one = (x + made.out(attended @ made.g(c))).mean(1)
    other = (
        c + made.out((made.theta(c) @ made.phi(x).transpose(1, 2)).softmax(2) @ made.g(x))
    ).mean(1)
    assert torch.allclose(out, (one + other) / 2, atol=1e-5)
    alone, _ = made([x, c], masks, torch.tensor([[True, False], [True, False]]))
    assert torch.allclose(alone, x.mean(1), atol=1e-6)


def test_cross_attention_finds_the_token_that_answers() -> None:
    """A planted token of the other part gets the peak, and an absent part is not looked at."""
    torch.manual_seed(0)
    made = make_fusion("cross_attention", 2, 8, 0.0).eval()
    tokens, masks = (
        [torch.randn(2, 3, 8), torch.randn(2, 4, 8)],
        [torch.ones(2, 3, dtype=torch.bool), torch.ones(2, 4, dtype=torch.bool)],
    )
    with_both = made(tokens, masks, torch.ones(2, 2, dtype=torch.bool))[0]
    changed = [tokens[0], tokens[1] + torch.randn(8)]
    assert not torch.allclose(
        made(changed, masks, torch.ones(2, 2, dtype=torch.bool))[0], with_both
    )
    only_first = torch.tensor([[True, False], [True, False]])
    assert torch.equal(made(changed, masks, only_first)[0], made(tokens, masks, only_first)[0])


def test_a_gate_learns_to_close_on_noise() -> None:
    torch.manual_seed(0)
    made, head = make_fusion("gated", 2, 8, 0.0), nn.Linear(8, 2)
    optimizer = torch.optim.Adam([*made.parameters(), *head.parameters()], lr=0.01)
    for _ in range(150):
        wanted = torch.randint(0, 2, (128,))
        signal = functional.one_hot(wanted, 8).float() * 2 + 0.3 * torch.randn(128, 8)
        tokens = [signal[:, None], torch.randn(128, 1, 8)]
        out, info = made(
            tokens, [torch.ones(128, 1, dtype=torch.bool)] * 2, torch.ones(128, 2, dtype=torch.bool)
        )
        loss = functional.cross_entropy(head(out), wanted)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert info["weights"].mean(0)[1] < 0.3


def test_weights_of_nothing_are_zero_and_their_gradients_finite() -> None:
    values, scores = torch.randn(2, 3, 4, requires_grad=True), torch.randn(2, 3, requires_grad=True)
    out, weights = weigh(values, scores, torch.zeros(2, 3, dtype=torch.bool))
    out.sum().backward()
    assert not out.any()
    assert not weights.any()
    assert torch.isfinite(values.grad).all()  # type: ignore[arg-type]  # it was asked for
    assert torch.isfinite(scores.grad).all()  # type: ignore[arg-type]  # the same


def test_where_attention_looks_adds_up_over_all_that_is_there() -> None:
    """Layers that look at everything alike: each token gets .75 / n of two layers' rollout, n
    tokens in all (U = UU for the uniform matrix U).
    """
    torch.manual_seed(0)
    fusion = make_fusion("attention", 3, 8, 0.0, 2, "softmax").eval()
    tokens = [torch.randn(2, length, 8) for length in (3, 2, 4)]
    masks = [torch.ones(2, length, dtype=torch.bool) for length in (3, 2, 4)]
    masks[2][:, 2:] = False
    present = torch.tensor([[True, True, True], [True, False, True]])
    for parameter in fusion.parameters():
        parameter.requires_grad_(False)
    # attention has it
    looked_at = fusion.looked_at(tokens, masks, present)  # type: ignore[operator]
    assert not looked_at[1][1].any()
    assert not looked_at[2][:, 2:].any()
    assert all(0 < float(sum(part[row].sum() for part in looked_at)) < 1 for row in range(2))
    for layer in fusion.layers:  # type: ignore[union-attr]  # the same
        torch.nn.init.zeros_(layer.qkv.weight)
        torch.nn.init.zeros_(layer.qkv.bias)
    # the same
    found = torch.cat(fusion.looked_at(tokens, masks, present), 1)  # type: ignore[operator]
    assert torch.allclose(found[0, [0, 1, 2, 3, 4, 5, 6]], torch.full((7,), 0.75 / 8))
    # [CLS], 3, a filler, 2
    assert torch.allclose(found[1, [0, 1, 2, 5, 6]], torch.full((5,), 0.75 / 7))
