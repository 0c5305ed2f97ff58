"""Encoders: sizes and names as published, absent rows without influence, padding that changes
nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.linalg
import torch
from modalmill.schemas.errors import InputError
from modalmill.schemas.features import FeatureNote
from modalmill.stages.media import spectrum as reference
from modalmill.stages.reduction import lda, pca
from modalmill.stages.train.data.inputs import Inputs
from modalmill.stages.train.methods.encoders import ENCODERS, READ_CACHES
from modalmill.stages.train.model.encoders import InputPart
from modalmill.stages.train.model.encoders.resnet import ResNet18, ResNet34, ResNet50, ResNet101
from modalmill.stages.train.model.encoders.resnet3d import I3dResNet18, R3d18, inflate
from modalmill.stages.train.model.encoders.spectrum import Spectrum
from modalmill.stages.train.model.encoders.text import TextGru, TextLstm, positions
from modalmill.stages.train.model.encoders.vector import VectorLinear
from modalmill.stages.train.options import InputOptions, TrainOptions
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from torch import Tensor, nn

OPTIONS = InputOptions.model_validate(
    {"size": 32, "length": 9, "rate_hz": 8000, "seconds": 0.3, "frames": 4}
)
FITTED: dict[str, dict[str, Any]] = {
    "text": {"vocabulary": {f"word{number}": number for number in range(2, 20)}},
    "table": {
        "columns": ["age", "city", "income"],
        "categories": {"city": ["Paris"]},
        "mean": [0.0] * 3,
        "deviation": [1.0] * 3,
    },
    "series": {"columns": ["x", "y"], "rate_hz": 100.0, "mean": [0.0] * 2, "deviation": [1.0] * 2},
}


def part_of(kind: str) -> InputPart:
    return InputPart(kind, OPTIONS, FITTED.get(kind, {}), dims=6, is_sequence=kind == "sequence")


WIDTH = 12
LARGE = ("resnet34", "resnet50", "resnet101")
some_encoders = pytest.mark.parametrize("word", [word for word in ENCODERS if word not in LARGE])


def made(word: str) -> nn.Module:
    torch.manual_seed(0)
    encoder: nn.Module = ENCODERS[word].load()(WIDTH, part_of(ENCODERS[word].reads))
    return encoder


def rows(word: str, count: int, seed: int = 0) -> tuple[Tensor, Tensor | None]:
    reads = ENCODERS[word].reads
    options = OPTIONS.model_copy(update={"feature": reads in READ_CACHES})
    inputs = Inputs(
        TrainOptions(target="y", inputs={"part": options}),
        {"part": reads},
        {"part": part_of(reads).fitted},
        {"part": FeatureNote(dims=6, longest=99 if reads == "sequence" else None)},
    )
    empty, length = inputs.blank("part", count)
    if reads == "sequence":
        empty = empty.expand(-1, 9, -1)
    random = torch.Generator().manual_seed(seed)
    if empty.dtype == torch.uint8:
        filled = torch.randint(0, 256, empty.shape, dtype=torch.uint8, generator=random)
    elif empty.dtype == torch.int64:
        filled = torch.randint(1, 20, empty.shape, generator=random)
    else:
        filled = torch.randn(empty.shape, generator=random)
        if reads in ("table", "series"):
            filled[torch.rand(empty.shape, generator=random) < 0.3] = torch.nan
    return filled, None if length is None else torch.randint(
        1, empty.shape[1] + 1, (count,), generator=random
    )


@some_encoders
@pytest.mark.parametrize("training", [False, True])
def test_a_row_depends_on_itself_and_present_rows_alone(word: str, training: bool) -> None:
    part, length = rows(word, 4)
    present = torch.tensor([True, False, True, True])
    part[1] = 0
    found, mask = made(word).train(training)(part, length, present)
    assert found.shape[0] == 4
    assert found.shape[2] == WIDTH
    assert found.shape[:2] == mask.shape
    assert not mask[1].any()
    assert mask[0].any()
    others = torch.tensor([0, 2, 3])
    alone, _ = made(word).train(training)(
        part[others], None if length is None else length[others], present[others]
    )
    assert torch.allclose(alone, found[others], atol=1e-4)


@some_encoders
def test_every_weight_learns(word: str) -> None:
    encoder = made(word)
    part, length = rows(word, 6)
    found, mask = encoder(part, length, torch.ones(6, dtype=torch.bool))
    (found * mask[:, :, None] * torch.randn(found.shape)).sum().backward()
    assert [
        name
        for name, weight in encoder.named_parameters()
        if weight.grad is None or not weight.grad.any()
    ] == []


@pytest.mark.parametrize(
    "word", [word for word in ENCODERS if ENCODERS[word].reads in ("text", "sequence")]
)
def test_more_padding_changes_no_token(word: str) -> None:
    part, length = rows(word, 5)
    filling = torch.randint(1, 20, (5, 4, *part.shape[2:])).to(part.dtype)
    longer = torch.cat([part, filling], 1)
    here = torch.ones(5, dtype=torch.bool)
    encoder = made(word).eval()
    (short, mask), (long, long_mask) = encoder(part, length, here), encoder(longer, length, here)
    most = mask.shape[1]
    assert torch.equal(long_mask[:, :most], mask)
    assert not long_mask[:, most:].any()
    assert torch.allclose(short[mask], long[:, :most][mask], atol=1e-6)


@pytest.mark.parametrize(
    ("kind", "wanted"),
    [
        (ResNet18, 11_689_512),
        (ResNet34, 21_797_672),
        (ResNet50, 25_557_032),
        (ResNet101, 44_549_160),
    ],
)
def test_residual_networks_have_the_published_sizes_and_torchvisions_names(
    kind: type[ResNet18], wanted: int
) -> None:
    encoder = kind(16, part_of("image"))
    width = encoder.project.in_features
    assert (
        sum(
            weight.numel()
            for name, weight in encoder.named_parameters()
            if not name.startswith("project")
        )
        + width * 1000
        + 1000
        == wanted
    )
    names = set(encoder.state_dict())
    assert {
        "conv1.weight",
        "bn1.running_mean",
        "layer2.0.downsample.0.weight",
        "layer2.0.downsample.1.bias",
        "layer4.1.bn2.bias",
    } <= names
    if wanted > 25_000_000:
        assert {
            "layer1.0.downsample.0.weight",
            "layer3.5.conv3.weight",
            "layer4.2.bn3.running_var",
        } <= names


def test_a_3d_network_has_the_published_size_and_torchvisions_names() -> None:
    encoder = R3d18(16, part_of("video"))
    assert (
        sum(
            weight.numel()
            for name, weight in encoder.named_parameters()
            if not name.startswith("project")
        )
        + 512 * 400
        + 400
        == 33_371_472
    )
    assert {
        "stem.0.weight",
        "stem.1.running_var",
        "layer1.0.conv1.0.weight",
        "layer2.0.downsample.1.bias",
    } <= set(encoder.state_dict())


def test_a_video_that_never_changes_is_its_picture() -> None:
    """Inflated weights give on a still video what the 2-D network gives on the picture, at every
    frame (Carreira and Zisserman 2017).
    """
    torch.manual_seed(0)
    flat, deep = ResNet18(8, part_of("image")).eval(), I3dResNet18(8, part_of("video")).eval()
    deep.load_state_dict(inflate(flat.state_dict(), deep.state_dict()))
    image = torch.randint(0, 256, (2, 64, 64, 3), dtype=torch.uint8)
    here = torch.ones(2, dtype=torch.bool)
    with torch.no_grad():
        tokens, _ = flat(image, None, here)
        frames, mask = deep(image[:, None].expand(-1, 5, -1, -1, -1), None, here)
    assert mask.shape == (2, 5)
    assert torch.allclose(frames, tokens.mean(1, keepdim=True).expand_as(frames), atol=1e-4)


@pytest.mark.parametrize("kind", ["logmel", "mfcc", "bark"])
def test_spectra_are_those_of_the_feature_extractors(kind: str) -> None:
    samples = np.random.default_rng(0).normal(0, 0.1, 8000).astype(np.float32)
    made_here = Spectrum(8000, kind)
    found = made_here(torch.from_numpy(samples)[None])[0].numpy()
    size, hop = made_here.fft_size, made_here.hop
    assert (size, hop) == (512, 128)
    mel = reference.log_mel(samples, 8000, 64, size, hop) / 40 + 1  # decibels to (log10 + 4) / 4
    if kind == "logmel":
        wanted = mel
    elif kind == "mfcc":
        wanted = reference.mfcc(mel, 40)
    else:
        wanted = reference.log_bark(samples, 8000, 24, size, hop) / 40 + 1
    assert found.shape == wanted.shape
    assert np.abs(found - wanted).max() < 1e-3


@pytest.mark.parametrize("kind", [TextLstm, TextGru])
def test_the_two_ways_are_those_of_torch_on_each_text_alone(kind: type[TextLstm]) -> None:
    torch.manual_seed(0)
    encoder = kind(8, part_of("text")).eval()
    ids, lengths = torch.randint(2, 20, (3, 7)), torch.tensor([7, 4, 1])
    tokens, mask = encoder(ids, lengths, torch.ones(3, dtype=torch.bool))
    assert mask.sum(1).tolist() == [7, 4, 1]
    for row, length in enumerate(lengths.tolist()):
        words = encoder.embedding(ids[row : row + 1, :length])
        (forth, _), (back, _) = encoder.forth(words), encoder.back(words.flip(1))
        assert torch.allclose(
            tokens[row, :length], torch.cat([forth, back.flip(1)], 2)[0], atol=1e-6
        )


def test_positions_are_the_published_waves() -> None:
    found = positions(50, 8, torch.device("cpu"))
    assert found[0].tolist() == [0, 1] * 4
    assert found[7, 2].item() == pytest.approx(np.sin(7 / 10_000 ** (2 / 8)), abs=1e-6)
    assert found[7, 5].item() == pytest.approx(np.cos(7 / 10_000 ** (4 / 8)), abs=1e-6)


def test_vectors_are_standardised_by_the_training_split_and_a_constant_feature_stays_finite() -> (
    None
):
    encoder = VectorLinear(4, InputPart(dims=2))
    encoder.standardise(torch.tensor([5.0, 3.0]), torch.tensor([2.0, 0.0]))
    assert encoder.standard(torch.tensor([[9.0, 3.0], [1e9, 4.0]])).tolist() == [
        [2.0, 0.0],
        [10.0, 1.0],
    ]
    assert {"mean_F", "deviation_F"} <= set(encoder.state_dict())
    encoder.standardise(torch.tensor([5.0, 3.0]), torch.tensor([1.0, 7.0]), one_scale=True)
    # both by the root of (1 + 49) / 2
    assert encoder.standard(torch.tensor([[15.0, 8.0]])).tolist() == [[2.0, 1.0]]


def test_axes_agree_with_scikit_learn() -> None:
    """PCA up to sign; LDA spans the same space and separates as well."""
    random = np.random.default_rng(0)
    classes = random.integers(0, 4, 600)
    vectors = (
        random.normal(0, 1, (600, 12)) @ random.normal(0, 1, (12, 12))
        + 2 * random.normal(0, 1, (4, 12))[classes]
    )
    theirs = PCA(5, svd_solver="full").fit(vectors).components_.T
    ours = pca(vectors, 5)
    assert np.abs(np.abs((ours * theirs).sum(0)) - 1).max() < 1e-6
    assert (ours[np.abs(ours).argmax(0), range(5)] > 0).all()
    mine, reference = (
        lda(vectors, classes, 3),
        LinearDiscriminantAnalysis(solver="eigen", n_components=3)
        .fit(vectors, classes)
        .scalings_[:, :3],
    )
    assert scipy.linalg.subspace_angles(mine, reference).max() < 0.01
    for axes, wrong, told in (
        (pca, (vectors, 13), "wanted 13 principal axes"),
        (lda, (vectors, classes, 4), "4 classes have at most 3"),
    ):
        with pytest.raises(InputError, match=told):
            axes(*wrong)  # type: ignore[operator]  # two functions of different arguments
    few = random.normal(0, 1, (20, 50))
    assert np.isfinite(lda(few, np.arange(20) % 2, 1)).all(), "more features than vectors"


def test_a_reduced_vector_is_as_short_as_was_asked() -> None:
    encoder = VectorLinear(
        4, InputPart("image", InputOptions(feature=True, reduce="pca", rank=2), dims=5)
    )
    assert encoder.map.in_features == 2
    assert encoder.standard(torch.randn(3, 5)).shape == (3, 2)
    assert "axes_FK" in encoder.state_dict()
