"""Auxiliary losses: what each adds, on numbers whose answer is known."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from modalmill.schemas.errors import InputError
from modalmill.stages.train.model.fusion._contrast import info_nce, pairs_term
from modalmill.stages.train.model.loss_terms import BatchTargets, Decided, Sizes
from modalmill.stages.train.model.losses import make_losses
from modalmill.stages.train.model.losses.adversarial import Adversarial
from modalmill.stages.train.model.losses.caption import END, PAD, UNKNOWN, Caption
from modalmill.stages.train.model.losses.domain import Domain, reversed_gradient, strength
from modalmill.stages.train.model.losses.mixup import Mixup
from modalmill.stages.train.model.losses.multitask import MultiTask
from modalmill.stages.train.model.losses.mutual import Mutual
from modalmill.stages.train.model.losses.reconstruction import ReconstructionLoss
from modalmill.stages.train.model.objectives.classification import Classification
from modalmill.stages.train.model.objectives.regression import Regression
from modalmill.stages.train.model.objectives.vqa import Vqa
from modalmill.stages.train.model.with_losses import total
from torch import Tensor, nn
from torch.nn import functional

SIZES = Sizes(parts=2, width=4, vector=4, outputs=2)


def task_of(
    labels: list[int],
    draw: Tensor | None = None,
    progress: float = 0.0,
    targets: list[dict[str, Any]] | None = None,
) -> BatchTargets:
    return BatchTargets(
        Classification("y", ["0", "1"], [1, 1]),
        torch.tensor(labels),
        torch.ones(len(labels)),
        targets or [],
        draw,
        progress,
    )


def decided(
    tokens: list[Tensor],
    logits: Tensor,
    present: Tensor | None = None,
    decide: Callable[..., Tensor] | None = None,
    **more: Any,
) -> Decided:
    rows = len(logits)
    there = torch.ones(rows, len(tokens), dtype=torch.bool) if present is None else present
    masks = [torch.ones(rows, part.shape[1], dtype=torch.bool) for part in tokens]
    vector = more.pop("vector", tokens[0].mean(1))
    return Decided(
        logits,
        vector,
        tokens,
        masks,
        more.pop("shown", there),
        there,
        decide or (lambda *_: logits),
        more,
    )


def test_infonce_of_identical_embeddings_is_two_ln_b_and_of_aligned_ones_zero() -> None:
    both = torch.ones(6, dtype=torch.bool)
    same = torch.ones(6, 4)
    assert info_nce(same, same, both, 0.07).tolist() == pytest.approx(
        [2 * math.log(6)] * 6, rel=1e-5
    )
    assert info_nce(torch.eye(6), torch.eye(6), both, 0.01).max() < 1e-6
    some = torch.tensor([True, True, True, True, False, False])
    assert info_nce(same, same, some, 0.07).tolist() == pytest.approx(
        [2 * math.log(4)] * 4 + [0, 0], rel=1e-5
    )
    assert not info_nce(same, same, ~both, 0.07).any()


def test_pairs_with_an_absent_side_carry_no_weight() -> None:
    vectors = torch.randn(4, 3, 5)
    present = torch.tensor(
        [[True, True, False], [True, False, False], [False, False, False], [True, True, True]]
    )
    value, weight = pairs_term(vectors, present, 0.1, 1.0)
    assert weight.tolist() == [1, 0, 0, 1]
    assert value[1:3].tolist() == [0, 0]


def test_divergence_between_peers_by_hand() -> None:
    """q = (.9, .1), p = (.5, .5): KL(q || p) = .3681, the other way .5108; equal peers have
    none.
    """
    q, p = torch.tensor([[0.9, 0.1]]).log(), torch.tensor([[0.5, 0.5]]).log()
    objective = Classification("y", ["0", "1"], [1, 1])
    assert objective.divergence(q, p).item() == pytest.approx(0.3681, abs=1e-4)
    assert objective.divergence(p, q).item() == pytest.approx(0.5108, abs=1e-4)
    assert objective.divergence(q, q).item() == pytest.approx(0, abs=1e-7)
    coin = Vqa("y", ["a"], [1.0], 2)
    logit = torch.logit(torch.tensor([[0.9]])), torch.zeros(1, 1)
    assert coin.divergence(logit[0], logit[1]).item() == pytest.approx(0.3681, abs=1e-4)
    assert (
        Regression("y", 0.0, 1.0).divergence(torch.tensor([[3.0]]), torch.tensor([[1.0]])).item()
        == 2.0
    )


def test_peers_teach_without_being_taught_by_the_same_term() -> None:
    """A student that already is right in the eyes of its peers: only the pupil's side of a
    divergence has a gradient.
    """
    objective = Classification("y", ["0", "1"], [1, 1])
    peer, own = (
        torch.tensor([[2.0, 0.0]], requires_grad=True),
        torch.tensor([[0.0, 0.0]], requires_grad=True),
    )
    objective.divergence(peer.detach(), own).sum().backward()
    assert peer.grad is None
    assert own.grad is not None
    assert own.grad.abs().sum() > 0
    torch.manual_seed(0)
    mutual = Mutual(SIZES)
    tokens = [torch.randn(3, 1, 4), torch.randn(3, 1, 4)]
    present = torch.tensor([[True, True], [True, False], [False, False]])
    terms = mutual.terms(decided(tokens, torch.randn(3, 2), present), task_of([0, 1, 0]))
    assert len(terms) == 2 + 3 * 2
    assert [weight.tolist() for _, weight in terms] == [
        [1, 1, 0],
        [1, 0, 0],
        [1, 0, 0],
        [1, 1, 0],
        [1, 0, 0],
        [1, 0, 0],
        [1, 1, 0],
        [1, 0, 0],
    ]


def test_the_reversed_gradient_is_minus_lambda_times_and_lambda_grows_as_published() -> None:
    x = torch.tensor([1.0, -2.0], requires_grad=True)
    y = reversed_gradient(x, 0.3)
    assert torch.equal(y, x)
    (y * torch.tensor([5.0, 7.0])).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == pytest.approx([-1.5, -2.1])
    assert [round(strength(p), 3) for p in (0.0, 0.25, 0.5, 1.0)] == [0.0, 0.848, 0.987, 1.0]


def test_two_shifted_domains_become_one() -> None:
    """Two normal classes, moved by a shift in the target domain: with the adversary a fresh probe
    cannot tell the domains as well, and the target domain, which has no labels, is answered
    better."""
    results, probes = {}, {}
    for weight in (0.0, 1.0):
        torch.manual_seed(0)
        encoder, head = (
            nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 4)),
            nn.Linear(4, 2),
        )
        domain = Domain(
            Sizes(2, 32, 4, 2),
            field="site",
            weight=weight,
            fitted={"domains": ["source", "target"]},
        )
        optimiser = torch.optim.Adam(
            [*encoder.parameters(), *head.parameters(), *domain.parameters()], lr=0.001
        )

        def draw(rows: int, shifted: bool) -> tuple[Tensor, Tensor]:
            label = torch.randint(0, 2, (rows,))
            return torch.stack([label * 4.0 - 2, torch.zeros(rows)], 1) + torch.randn(
                rows, 2
            ) * 0.5 + torch.tensor([1.8, 3.0]) * shifted, label

        for number in range(1500):
            (a, label), (b, _) = draw(64, False), draw(64, True)
            vector = encoder(torch.cat([a, b]))
            targets = [{"site": "source"}] * 64 + [{"site": "target"}] * 64
            one = decided([vector[:, None]], head(vector), vector=vector)
            task = task_of([0] * 128, progress=number / 1500, targets=targets)
            ((value, rows),) = domain.terms(one, task)
            loss = (
                functional.cross_entropy(head(vector[:64]), label)
                + (value * rows).sum() / rows.sum()
            )
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        b, label = draw(2000, True)
        a, _ = draw(2000, False)
        results[weight] = (head(encoder(b)).argmax(1) == label).float().mean().item()
        probes[weight] = probe(encoder(a).detach(), encoder(b).detach())
    assert results[0.0] < 0.92
    assert results[1.0] > 0.97
    assert probes[0.0] > 0.9
    assert probes[1.0] < 0.75


def probe(source: Tensor, target: Tensor) -> float:
    """How often a fresh linear classifier tells the domain of a row."""
    x, y = (
        torch.cat([source, target]),
        torch.cat([torch.zeros(len(source)), torch.ones(len(target))]),
    )
    x = (x - x.mean(0)) / (x.std(0) + 1e-6)
    classifier = nn.Linear(x.shape[1], 1)
    optimiser = torch.optim.Adam(classifier.parameters(), lr=0.05)
    for _ in range(200):
        optimiser.zero_grad()
        functional.binary_cross_entropy_with_logits(classifier(x)[:, 0], y).backward()
        optimiser.step()
    return ((classifier(x)[:, 0] > 0) == (y > 0)).float().mean().item()


def test_a_domain_needs_two_names() -> None:
    with pytest.raises(
        InputError, match="wanted a target with two values or more, and 'site' has 1"
    ):
        Domain.fit([{"site": "a"}, {"site": "a"}, {}], field="site")


def test_reconstruction_of_what_was_hidden_but_not_of_what_is_absent() -> None:
    """Part b is a linear map of a: a decoder makes it from a alone. A truly absent part adds
    exactly 0.
    """
    torch.manual_seed(0)
    loss, mix = ReconstructionLoss(SIZES, weight=1.0), torch.randn(4, 4)
    a = torch.randn(256, 4)
    b = a @ mix
    optimiser = torch.optim.Adam(loss.parameters(), lr=0.01)
    shown = torch.tensor([[True, False]]).expand(256, 2)
    there = torch.ones(256, 2, dtype=torch.bool)
    for _ in range(400):
        ((value, weight),) = loss.terms(
            decided([a[:, None], b[:, None]], torch.zeros(256, 2), there, shown=shown, vector=a),
            task_of([0] * 256),
        )
        optimiser.zero_grad()
        value.mean().backward()
        optimiser.step()
    assert value.mean() < 0.05 * b.square().mean()
    nothing = torch.zeros(256, 2, dtype=torch.bool)
    ((value, weight),) = loss.terms(
        decided([a[:, None], b[:, None]], torch.zeros(256, 2), nothing, vector=a),
        task_of([0] * 256),
    )
    assert not weight.any()
    assert not value.any()
    assert total(torch.stack([torch.stack([(value * weight).sum(), weight.sum()])])) == 0


def test_the_worst_move_against_a_linear_model_costs_eps_times_its_l1_norm() -> None:
    torch.manual_seed(0)
    weight = torch.randn(4)
    x = torch.randn(8, 1, 4)

    def decide(tokens: list[Tensor], masks: list[Tensor], present: Tensor) -> Tensor:
        margin = tokens[0][:, 0] @ weight
        return torch.stack([-margin / 2, margin / 2], 1)

    labels = torch.arange(8) % 2
    one = decided([x], decide([x], [], torch.empty(0)), decide=decide)
    for steps in (1, 5):
        moves = Adversarial(SIZES, eps=0.25, steps=steps).worst(one, task_of(labels.tolist()))
        drop = (moves[0][:, 0] @ weight) * (1 - 2 * labels)
        assert torch.allclose(drop, torch.full((8,), 0.25 * weight.abs().sum().item()), atol=1e-5)


@pytest.mark.parametrize("word", ["mixup", "cutmix"])
def test_a_share_of_one_leaves_records_as_they_are(
    word: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    mixing = make_losses([word], SIZES, {})[word]
    assert isinstance(mixing, Mixup)
    caught: list[Any] = []

    def decide(tokens: list[Tensor], masks: list[Tensor], present: Tensor) -> Tensor:
        caught.append((tokens, masks, present))
        return torch.tensor([[1.0, 0.0]]).expand(len(present), 2)

    tokens = [torch.randn(6, 5, 4), torch.randn(6, 1, 4)]
    one = decided(tokens, torch.zeros(6, 2), decide=decide)
    task = task_of([0, 1, 0, 1, 0, 1], torch.rand(6, dtype=torch.float64))
    for share in (1.0, 0.0, 0.5):
        monkeypatch.setattr(mixing, "shares", lambda draw, share=share: torch.full((6,), share))
        ((value, weight),) = mixing.terms(one, task)
        caught_tokens = caught[-1][0]
        if share == 1.0:
            assert all(torch.equal(a, b) for a, b in zip(caught_tokens, tokens, strict=True))
            own = functional.cross_entropy(
                torch.tensor([[1.0, 0.0]]).expand(6, 2), task.encoded, reduction="none"
            )
            assert torch.allclose(value, 0.5 * own)
        if share == 0.0:
            order = task.draw_B.argsort()  # type: ignore[union-attr]  # it was given
            assert torch.equal(caught_tokens[0][order], tokens[0][order.roll(1)])
        assert weight.tolist() == [1] * 6


def test_the_shares_of_mixing_have_the_distribution_that_was_asked_for() -> None:
    from scipy import stats

    draws = torch.rand(4000, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    for alpha in (0.2, 1.0, 4.0):
        shares = Mixup(SIZES, alpha=alpha).shares(draws).double().numpy()
        assert stats.kstest(np.asarray(shares), stats.beta(alpha, alpha).cdf).pvalue > 0.001


def test_a_mixed_record_has_what_both_have() -> None:
    mixing = Mixup(SIZES)
    present = torch.tensor([[True, False], [True, True], [False, True], [False, False]])
    caught: list[Tensor] = []

    def decide(tokens: list[Tensor], masks: list[Tensor], shown: Tensor) -> Tensor:
        caught.append(shown)
        return torch.zeros(4, 2)

    draw = torch.tensor([0.1, 0.2, 0.3, 0.4], dtype=torch.float64)
    ((_, weight),) = mixing.terms(
        decided([torch.randn(4, 1, 4)] * 2, torch.zeros(4, 2), present, decide=decide),
        task_of([0] * 4, draw),
    )
    assert caught[0].tolist() == (present & present.roll(1, 0)).tolist()
    assert weight.tolist() == [0, 1, 1, 0]


def test_the_best_uncertainty_is_the_logarithm_of_the_loss() -> None:
    """min over s of e^-s L + s lies at s = ln L."""
    loss = MultiTask(SIZES, target="z", fitted=Classification("z", ["a", "b"], [1, 1]).state())
    with torch.no_grad():
        for parameter in loss.head.parameters():
            parameter.zero_()
    one = decided([torch.zeros(4, 1, 4)] * 2, torch.zeros(4, 2))
    task = task_of([0, 1, 0, 1], targets=[{"z": "a"}, {"z": "b"}, {}, {"z": "a"}])
    optimiser = torch.optim.Adam([loss.log_variance_2], lr=0.05)
    for _ in range(400):
        (own, own_weight), (more, weight) = loss.terms(one, task)
        plain = task.loss(one.logits_BO)
        optimiser.zero_grad()
        ((own * own_weight).sum() / own_weight.sum() + ((plain + more) * weight).mean()).backward()
        optimiser.step()
    assert own_weight.tolist() == [1, 1, 0, 1]
    assert loss.log_variance_2.tolist() == pytest.approx([math.log(math.log(2))] * 2, abs=1e-2)


def captioner(**more: Any) -> Caption:
    torch.manual_seed(0)
    sentences = ["a red cat", ["a red cat", "a dog"], "a dog sits", None, "?"]
    fitted = Caption.fit([{"said": one} for one in sentences], target="said")
    assert fitted["words"] == ["a", "cat", "dog", "red", "?", "sits"]
    return Caption(SIZES, target="said", fitted=fitted, **more)


def test_a_sentence_costs_the_logarithm_of_the_words_where_nothing_is_known() -> None:
    caption = captioner(weight=1.0)
    for parameter in caption.out.parameters():
        torch.nn.init.zeros_(parameter)
    said = [{"said": "a dog"}, {"said": "a cat on a mat"}, {"said": ""}, {}]
    ((value_B, weight_B),) = caption.terms(
        decided([torch.randn(4, 3, 4)] * 2, torch.zeros(4, 2)), task_of([0, 1, 0, 1], targets=said)
    )
    assert weight_B.tolist() == [1, 1, 0, 0]
    assert value_B[:2].tolist() == pytest.approx([math.log(9)] * 2)
    assert caption.encode(["a cat flew", None])[:, :5].tolist() == [
        [3, 4, UNKNOWN, END, PAD],
        [PAD] * 5,
    ]


def test_sentences_are_written_from_the_vector_alone() -> None:
    """Two vectors, two sentences that begin alike: after training each is written word by word, and
    ends.
    """
    caption = captioner(length=6)
    vector = torch.eye(4)[:2].repeat(8, 1)
    said = [{"said": ("a red cat", "a dog sits")[row % 2]} for row in range(16)]
    optimiser = torch.optim.Adam(caption.parameters(), lr=0.03)
    for _ in range(60):
        optimiser.zero_grad()
        (term,) = caption.terms(
            decided([torch.zeros(16, 3, 4)] * 2, torch.zeros(16, 2), vector=vector),
            task_of([0] * 16, targets=said),
        )
        (term[0] * term[1]).mean().backward()
        optimiser.step()
    assert caption.write(torch.eye(4)[:2]) == ["a red cat", "a dog sits"]


def test_rare_classes_count_by_their_inverse_frequency_and_well_answered_rows_less() -> None:
    """Counts of 90 and 10 give weights .556 and 5; focal loss at p = .9 and gamma 2 is a
    hundredth.
    """
    plain, weighted, focal = (
        Classification("y", ["a", "b"], [90, 10], *more) for more in ((), (True,), (False, 2.0))
    )
    logits = torch.tensor([[0.9, 0.1], [0.9, 0.1]]).log()
    encoded = torch.tensor([0, 1])
    assert (weighted.loss(logits, encoded) / plain.loss(logits, encoded)).tolist() == pytest.approx(
        [0.5556, 5.0], abs=1e-3
    )
    assert (focal.loss(logits, encoded) / plain.loss(logits, encoded)).tolist() == pytest.approx(
        [0.01, 0.81], abs=1e-5
    )
    again = Classification(**weighted.state())
    assert torch.equal(again.loss(logits, encoded), weighted.loss(logits, encoded))
