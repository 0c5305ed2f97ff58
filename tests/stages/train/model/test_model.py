"""Invariants of every fusion and encoder: absent parts have no influence, padding changes nothing,
one graph for all.
"""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import pytest
import torch
from campaign import also, fusions
from hypothesis import given, settings
from hypothesis import strategies as st
from modalmill.schemas.features import FeatureNote
from modalmill.stages.stream import FusionBatch, Labels
from modalmill.stages.train.data.inputs import Inputs
from modalmill.stages.train.methods.encoders import ENCODERS
from modalmill.stages.train.methods.fusions import FUSIONS
from modalmill.stages.train.methods.losses import LOSSES
from modalmill.stages.train.methods.missing import MISSING
from modalmill.stages.train.model.fusion import make_fusion
from modalmill.stages.train.model.fusion.concat import ConcatFusion
from modalmill.stages.train.model.loss_terms import BatchTargets, Sizes
from modalmill.stages.train.model.losses import make_losses
from modalmill.stages.train.model.model import FusionModel
from modalmill.stages.train.model.objectives.classification import Classification
from modalmill.stages.train.model.with_losses import WithLosses, total
from modalmill.stages.train.options import InputOptions, TrainOptions

MODALITIES = {
    "image": "image",
    "question": "text",
    "audio": "audio",
    "video": "video",
    "vector": "feature",
}
INPUTS = {
    "image": InputOptions(size=32),
    "question": InputOptions(length=6),
    "audio": InputOptions(rate_hz=8000, seconds=0.25),
    "video": InputOptions(size=32, frames=3),
    "vector": InputOptions(feature=True),
}
DIMS = 12
SUBSETS = list(itertools.product((False, True), repeat=len(INPUTS)))
CLASSES = 5
VARIANTS = [(fusion, "masked") for fusion in FUSIONS] + [
    (fusion, missing)
    for missing in MISSING
    if missing != "masked"
    for fusion in ("concat", "attention")
]
# one fusion of each kind, and each way to do without a part before one of them
SOME = [(fusion, "masked") for fusion in fusions(FUSIONS)] + VARIANTS[len(FUSIONS) :: 2]
by_variant = pytest.mark.parametrize(("fusion", "missing"), VARIANTS)
OTHERS = [variant for variant in VARIANTS if variant not in SOME]


def inputs_of(options: TrainOptions) -> Inputs:
    return Inputs(
        options,
        MODALITIES,
        {"question": {"vocabulary": {str(number): number + 2 for number in range(8)}}},
        {"vector": FeatureNote(dims=DIMS)},
    )


def model(
    fusion: str, missing: str = "masked", image: str = "cnn", link: str = "softmax"
) -> FusionModel:
    torch.manual_seed(0)
    inputs = {**INPUTS, "image": InputOptions(size=32, encoder=image)}
    options = TrainOptions(
        target="y", inputs=inputs, fusion=fusion, missing=missing, width=16, hidden=16, dropout=0.0
    )
    made = FusionModel(inputs_of(options), CLASSES, link)
    for name, parameter in made.named_parameters():
        # what begins at zero gives no gradient to what lies behind
        if "filler" in name or "prior" in name or name == "fusion.out.weight":
            torch.nn.init.normal_(parameter, std=0.5)
    return made


def step_of(made: FusionModel, *losses: str) -> WithLosses:
    vector = CLASSES if isinstance(made.head, torch.nn.Identity) else 16
    fitted = {
        "multitask": Classification("z", ["0", "1"], [5, 5]).state(),
        "caption": {"words": ["it", "is", "0", "1"]},
    }
    choices = [
        {word: {"target": {"multitask": "z", "caption": "said"}[word]}} if word in fitted else word
        for word in losses
    ]
    return WithLosses(
        made,
        make_losses(
            choices,
            Sizes(len(INPUTS), 16, vector, CLASSES),
            {word: fitted[word] for word in losses if word in fitted},
        ),
    )


def task_of(rows: int, progress: float = 0.5) -> BatchTargets:
    objective = Classification("y", [str(number) for number in range(CLASSES)], [5] * CLASSES)
    targets = [
        {"y": str(row % CLASSES), "z": str(row % 2), "said": f"it is {row % 3}"}
        for row in range(rows)
    ]
    encoded, weight = objective.encode(targets)
    return BatchTargets(
        objective, encoded, weight, targets, torch.rand(rows, dtype=torch.float64), progress
    )


def batch(rows: int, present: torch.Tensor, seed: int = 0) -> FusionBatch:
    torch.manual_seed(seed)
    parts, lengths = {}, {}
    for name in INPUTS:
        empty, length = inputs_of(TrainOptions(target="y", inputs=INPUTS)).blank(name, rows)
        if empty.dtype == torch.uint8:
            parts[name] = torch.randint(0, 256, empty.shape, dtype=torch.uint8)
        elif empty.dtype == torch.int64:
            parts[name] = torch.randint(2, 10, empty.shape)
        else:
            parts[name] = torch.randn(empty.shape)
        if length is not None:
            lengths[name] = torch.randint(1, empty.shape[1] + 1, (rows,))
    return FusionBatch(
        tuple(INPUTS),
        Labels([str(row) for row in range(rows)], ["{}"] * rows),
        parts,
        lengths,
        {},
        present,
        torch.ones(rows),
    )


@pytest.mark.parametrize(
    ("fusion", "missing", "training"),
    [
        *((*variant, True) for variant in VARIANTS),
        *((*variant, False) for variant in also(SOME, OTHERS)),
    ],
)
def test_content_of_absent_parts_has_no_influence_not_even_nan(
    fusion: str, missing: str, training: bool
) -> None:
    present = torch.tensor(SUBSETS)
    results = []
    for filler in ([0.0], [float("nan"), float("inf")]):
        one = batch(len(SUBSETS), present)
        parts = {}
        for place, (name, part) in enumerate(one.parts.items()):
            wrong = (
                torch.tensor(filler).repeat(part.numel())[: part.numel()].view_as(part)
                if part.dtype.is_floating_point
                else torch.full_like(part, 255 if part.dtype == torch.uint8 else 7)
            )
            keep = present[:, place].view(-1, *[1] * (part.dim() - 1))
            parts[name] = torch.where(keep, part, wrong)
        made = model(fusion, missing, "resnet18" if fusion == "concat" else "cnn").train(training)
        logits = made(replace(one, parts=parts))
        logits.square().sum().backward()
        results.append(
            (logits.detach(), [p.grad.clone() for p in made.parameters() if p.grad is not None])
        )
    (wanted, wanted_gradients), (logits, gradients) = results
    assert torch.equal(logits, wanted)
    assert all(torch.equal(a, b) for a, b in zip(gradients, wanted_gradients, strict=True))
    assert torch.isfinite(wanted).all()


@by_variant
def test_every_parameter_learns_in_a_sweep_over_all_subsets(fusion: str, missing: str) -> None:
    step = step_of(model(fusion, missing))
    one = batch(len(SUBSETS), torch.tensor(SUBSETS))
    total(step(one, one.present_BM, task_of(len(SUBSETS)))).backward()
    assert idle(step) == []


@pytest.mark.parametrize("fusion", ["concat", "opinion_pool"])
@pytest.mark.parametrize("loss", LOSSES)
def test_every_parameter_of_a_loss_learns_and_absent_contents_do_not_matter(
    loss: str, fusion: str
) -> None:
    present = torch.tensor(SUBSETS)
    results = []
    for filler in (0.0, float("nan")):
        step = step_of(model(fusion), loss)
        one = batch(len(SUBSETS), present)
        vector = torch.where(
            present[:, -1:], one.parts["vector"], torch.full_like(one.parts["vector"], filler)
        )
        torch.manual_seed(1)
        sums = step(
            replace(one, parts={**one.parts, "vector": vector}),
            one.present_BM,
            task_of(len(SUBSETS)),
        )
        total(sums).backward()
        assert idle(step) == []
        results.append([sums.detach(), *(parameter.grad for parameter in step.parameters())])
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))


def idle(step: WithLosses) -> list[str]:
    """Parameters without a gradient; those that are fitted or given have none by intention."""
    return [
        name
        for name, parameter in step.named_parameters()
        if parameter.requires_grad and (parameter.grad is None or not parameter.grad.any())
    ]


@pytest.mark.parametrize(
    ("fusion", "loss"),
    [*((word, None) for word in FUSIONS), *(("concat", word) for word in LOSSES)],
)
def test_a_training_step_in_half_precision_is_finite(fusion: str, loss: str | None) -> None:
    step = step_of(model(fusion), *([loss] if loss else [])).train()
    one = batch(len(SUBSETS), torch.tensor(SUBSETS))
    with torch.autocast("cpu", torch.bfloat16):
        sums = step(one, one.present_BM, task_of(len(SUBSETS)))
    total(sums).backward()
    assert torch.isfinite(sums).all()
    assert all(
        torch.isfinite(parameter.grad).all()
        for parameter in step.parameters()
        if parameter.grad is not None
    )


@pytest.mark.parametrize(("fusion", "missing"), also(SOME, OTHERS))
def test_one_graph_serves_every_subset(fusion: str, missing: str) -> None:
    """I7: traced whole, and never again whatever is present."""
    torch._dynamo.reset()
    made = model(fusion, missing).eval()
    one = batch(4, torch.ones(4, len(INPUTS), dtype=torch.bool))
    with torch.no_grad():
        tokens, masks = made.encode(one)
        traced = torch.compile(made.decide, backend="eager", fullgraph=True)
        for subset in SUBSETS:
            present = torch.tensor(subset).expand(4, -1).contiguous()
            with torch._dynamo.config.patch(error_on_recompile=True):
                assert torch.allclose(
                    traced(tokens, masks, present), made.decide(tokens, masks, present), atol=1e-6
                )


@by_variant
def test_in_half_precision_the_answers_are_the_same_and_finite(fusion: str, missing: str) -> None:
    made = model(fusion, missing).eval()
    one = batch(len(SUBSETS), torch.tensor(SUBSETS))
    with torch.no_grad():
        exact = made(one)
        with torch.autocast("cpu", torch.bfloat16):
            half = made(one)
    assert torch.isfinite(half).all()
    # bfloat16 has 8 bits
    assert (half.float() - exact).abs().max() < 0.05 * max(1.0, float(exact.abs().max()))


@by_variant
def test_rows_do_not_see_each_other(fusion: str, missing: str) -> None:
    made = model(fusion, missing).eval()
    one = batch(len(SUBSETS), torch.tensor(SUBSETS))
    order = torch.randperm(len(SUBSETS))
    mixed = replace(
        one,
        parts={name: part[order] for name, part in one.parts.items()},
        lengths={name: length[order] for name, length in one.lengths.items()},
        present_BM=one.present_BM[order],
    )
    assert torch.allclose(made(mixed), made(one)[order], atol=1e-5)  # float32 sums in another order


@by_variant
def test_more_padding_changes_nothing(fusion: str, missing: str) -> None:
    made = model(fusion, missing).eval()
    one = batch(8, torch.ones(8, len(INPUTS), dtype=torch.bool))
    longer = torch.cat([one.parts["question"], torch.randint(2, 10, (8, 5))], 1)
    assert torch.allclose(
        made(one), made(replace(one, parts={**one.parts, "question": longer})), atol=1e-6
    )


@by_variant
def test_a_row_with_nothing_gives_one_finite_prior(fusion: str, missing: str) -> None:
    made = model(fusion, missing).eval()
    nothing = torch.zeros(3, len(INPUTS), dtype=torch.bool)
    logits = made(batch(3, nothing, seed=1))
    assert torch.isfinite(logits).all()
    assert torch.equal(logits[0], logits[1])
    assert torch.equal(logits, made(batch(3, nothing, seed=2)))


def test_a_state_dict_holds_every_parameter() -> None:
    for word in FUSIONS:
        fusion = make_fusion(word, 3, 16, 0.0)
        assert {name for name, _ in fusion.named_parameters()} <= set(fusion.state_dict())
    assert isinstance(make_fusion("concat", 3, 16, 0.0), ConcatFusion)


@pytest.mark.parametrize("fusion", fusions(FUSIONS))
def test_xor_of_two_modalities_is_learned(fusion: str) -> None:
    """K1: y = a xor b. Each alone is worth nothing. Features fused before a head reach 1; answers
    of single parts, joined, at most 3 of 4.
    """
    torch.manual_seed(1)
    bits = torch.tensor(list(itertools.product((0.0, 1.0), repeat=2))).repeat(32, 1)
    wanted = (bits[:, 0] != bits[:, 1]).long()
    inputs = {"a": InputOptions(feature=True), "b": InputOptions(feature=True)}
    # what independent parts share is nothing: see its file
    choice: Any = {fusion: {"weight": 0.0}} if fusion == "common_space" else fusion
    options = TrainOptions(
        target="y", inputs=inputs, fusion=choice, width=16, hidden=32, dropout=0.0
    )
    made = FusionModel(
        Inputs(options, {}, {}, {"a": FeatureNote(dims=2), "b": FeatureNote(dims=2)}), 2
    )
    parts = {
        name: torch.stack([bits[:, place], 1 - bits[:, place]], 1)
        for place, name in enumerate("ab")
    }
    one = FusionBatch(
        ("a", "b"),
        Labels(["k"] * 128, ["{}"] * 128),
        parts,
        {},
        {},
        torch.ones(128, 2, dtype=torch.bool),
        torch.ones(128),
    )
    optimiser = torch.optim.AdamW(made.parameters(), lr=0.01)
    step, task = (
        WithLosses(made, torch.nn.ModuleDict()),
        BatchTargets(Classification("y", ["0", "1"], [1, 1]), wanted, torch.ones(128)),
    )
    for _ in range(150):
        optimiser.zero_grad()
        total(step(one, one.present_BM, task)).backward()
        optimiser.step()
    right = (made(one).argmax(1) == wanted).float().mean()
    if FUSIONS[fusion].is_late:
        assert right <= 0.75
        return
    assert right == 1.0
    alone = made(one.without(torch.tensor([False, True]))).argmax(1)
    assert abs((alone == wanted).float().mean().item() - 0.5) < 1e-6


@pytest.mark.parametrize("missing", MISSING)
def test_where_a_fusion_looked_is_told_for_every_way_to_do_without_a_part(missing: str) -> None:
    one = batch(len(SUBSETS), torch.tensor(SUBSETS))
    made = model("attention", missing).eval()
    with torch.no_grad():
        tokens, masks = made.encode(one)
        looked_at = made.looked_at(tokens, masks, one.present_BM)
    assert looked_at is not None
    assert [part.shape for part in looked_at] == [part.shape[:2] for part in tokens]
    total_B = sum(part.sum(1) for part in looked_at)
    assert bool((total_B[one.present_BM.any(1)] > 0).all())
    assert bool((total_B < 1).all())
    if missing == "masked":
        for place, part_BT in enumerate(looked_at):
            assert not part_BT[~one.present_BM[:, place]].any()
    assert model("concat", missing).looked_at(tokens, masks, one.present_BM) is None


def sequence_model(fusion: str, encoder: str) -> FusionModel:
    """Of a sequence of vectors and of a vector."""
    torch.manual_seed(0)
    options = TrainOptions(
        target="y",
        inputs={
            "voice": InputOptions(feature=True, encoder=encoder),
            "vector": InputOptions(feature=True),
        },
        fusion=fusion,
        width=16,
        hidden=16,
        dropout=0.0,
    )
    caches = {"voice": FeatureNote(dims=DIMS, longest=50), "vector": FeatureNote(dims=DIMS)}
    return FusionModel(Inputs(options, {"voice": "audio", "vector": "text"}, {}, caches), CLASSES)


SEQUENCE_ENCODERS = [word for word in ENCODERS if ENCODERS[word].reads == "sequence"]


@given(
    st.sampled_from(list(FUSIONS)),
    st.sampled_from(SEQUENCE_ENCODERS),
    st.lists(st.integers(0, 9), min_size=2, max_size=5),
    st.integers(0, 4),
    st.floats(-1e4, 1e4, width=16),
)
@settings(max_examples=60)
def test_neither_padding_nor_the_rows_beside_it_change_the_logits_of_a_sequence(
    fusion: str, encoder: str, lengths: list[int], more: int, filling: float
) -> None:
    """0 stands for a record without a sequence."""
    made = sequence_model(fusion, encoder).eval()
    count, longest = torch.tensor(lengths), max(1, *lengths)
    mask_BT = torch.arange(longest + more) < count[:, None]
    voice = torch.where(mask_BT[:, :, None], torch.randn(*mask_BT.shape, DIMS), filling)
    whole = FusionBatch(
        ("voice", "vector"),
        Labels([""] * len(lengths), ["{}"] * len(lengths)),
        {"voice": voice, "vector": torch.randn(len(lengths), DIMS)},
        {"voice": count},
        {},
        torch.stack([count > 0, torch.ones(len(lengths), dtype=torch.bool)], 1),
        torch.ones(len(lengths)),
    )
    with torch.no_grad():
        found = made(whole)
        assert torch.isfinite(found).all()
        for row, length in enumerate(lengths):
            alone = replace(
                whole,
                parts={
                    "voice": voice[row : row + 1, : max(1, length)],
                    "vector": whole.parts["vector"][row : row + 1],
                },
                lengths={"voice": count[row : row + 1]},
                present_BM=whole.present_BM[row : row + 1],
                weight_B=torch.ones(1),
            )
            assert torch.allclose(made(alone)[0], found[row], atol=1e-4)


@pytest.mark.parametrize("encoder", SEQUENCE_ENCODERS)
def test_sequences_in_half_precision_are_answered_and_learned_from_alike(encoder: str) -> None:
    made = sequence_model("attention", encoder)
    count = torch.tensor([5, 0, 2, 9])
    whole = FusionBatch(
        ("voice", "vector"),
        Labels([""] * 4, ["{}"] * 4),
        # as a cache keeps them
        {"voice": torch.randn(4, 9, DIMS).half(), "vector": torch.randn(4, DIMS).half()},
        {"voice": count},
        {},
        torch.stack([count > 0, torch.ones(4, dtype=torch.bool)], 1),
        torch.ones(4),
    )
    exact = made(whole)
    with torch.autocast("cpu", torch.bfloat16):
        half = made(whole)
    half.float().square().sum().backward()
    # bfloat16 has 8 bits
    assert torch.allclose(half.float(), exact, atol=0.1)
    gradients = [p.grad for p in made.encoders["voice"].parameters()]
    assert all(grad is not None and torch.isfinite(grad).all() for grad in gradients)
