"""How the parts become one vector, or one answer (``train.fusion``), by its word."""

from __future__ import annotations

import math
from collections.abc import Mapping

from ...outside import WithOutside
from .card import Card, Options
from .contrast import CONTRAST, contrast_fault

_MOST_CELLS = 1 << 16
_MOST_GRID = 20_000


def _tensor_fault(parts: int, options: Mapping[str, int]) -> str:
    cells = (options["rank"] + 1) ** parts
    if cells <= _MOST_CELLS:
        return ""
    return (
        f"{parts} parts at rank {options['rank']} have {cells:,} products, at most"
        f" {_MOST_CELLS:,} are taken; use low_rank, or a smaller rank"
    )


def _weighted_fault(parts: int, options: Options) -> str:
    weights, grid = options["weights"], options["grid"]
    if weights and grid:
        return "wanted weights or grid, found both"
    if weights and (len(weights) != parts or min(weights) <= 0):
        return f"wanted {parts} weights above 0, one for each input, found {weights}"
    tries = math.comb(max(grid, parts) - 1, parts - 1) if grid else 0
    return (
        f"grid {grid} of {parts} parts are {tries:,} weights to try, at most {_MOST_GRID:,} are"
        * (tries > _MOST_GRID)
    )


def _gated_fault(parts: int, options: Options) -> str:
    costs = options["costs"]
    return f"wanted {parts} costs from 0 upwards, one for each input, found {costs}" * bool(
        costs and (len(costs) != parts or min(costs) < 0)
    )


FUSIONS: Mapping[str, Card] = WithOutside(
    "fusions",
    Card,
    {
        "concat": Card(
            "fusion.concat.ConcatFusion",
            "pooled parts side by side, then a linear map",
            "standard",
            "M D^2",
        ),
        "add": Card("fusion.add.AddFusion", "the sum of the present parts", "standard", "M D"),
        "mean": Card("fusion.mean.MeanFusion", "the mean of the present parts", "standard", "M D"),
        "max": Card("fusion.max.MaxFusion", "the largest value of each feature", "standard", "M D"),
        "multiply": Card(
            "fusion.multiply.MultiplyFusion",
            "the product of the parts, times their mean and added to it",
            "Kim 2016 (MRN)",
            "M D",
            options={"bare": False},
        ),
        "geometric": Card(
            "fusion.geometric.GeometricFusion",
            "the logarithm of the geometric mean of softplus features",
            "product, then logarithm",
            "M D",
            standard=False,
        ),
        "weighted": Card(
            "fusion.weighted.WeightedFusion",
            "a weighted average, the weights learned, given, or tried on validation",
            "standard",
            "M D",
            options={"weights": [], "grid": 0},
            least={"grid": 0},
            fault=_weighted_fault,
        ),
        "shared": Card(
            "fusion.shared.SharedFusion",
            "one map with shared weights for every part, then their mean",
            "standard",
            "M D^2",
        ),
        "siamese": Card(
            "fusion.siamese.SiameseFusion",
            "one shared map, then what parts agree and differ in",
            "Bromley 1993",
            "M D^2 + M^2 D",
        ),
        "common_space": Card(
            "fusion.common_space.CommonSpaceFusion",
            "parts of one record side by side on a sphere ('meta-space')",
            "Andrew 2013, Radford 2021",
            "M D^2",
            standard=False,
            **CONTRAST,
        ),
        "gated": Card(
            "fusion.gated.GatedFusion",
            "an average whose weights each record chooses for itself",
            "Arevalo 2017 (GMU)",
            "M D^2",
            options={"hard": False, "cost": 0.0, "costs": []},
            least={"cost": 0},
            fault=_gated_fault,
        ),
        "tensor": Card(
            "fusion.tensor.TensorFusion",
            "all products of features across parts, made narrow first",
            "Zadeh 2017 (TFN)",
            "R^M D",
            options={"rank": 7},
            fault=_tensor_fault,
        ),
        "low_rank": Card(
            "fusion.low_rank.LowRankFusion",
            "the same through a tensor of low rank",
            "Liu 2018 (LMF)",
            "M R D^2",
            options={"rank": 4},
        ),
        "factorization": Card(
            "fusion.factorization.FactorizationFusion",
            "one hidden vector that explains the parts that are there ('collaborative filtering')",
            "Koren 2009",
            "R^3",
            standard=False,
            options={"rank": 16, "weight": 0.1},
            least={"weight": 0},
        ),
        "modality_attention": Card(
            "fusion.modality_attention.ModalityAttentionFusion",
            "attention over parts",
            "Bahdanau 2015",
            "M D^2",
        ),
        "token_attention": Card(
            "fusion.token_attention.TokenAttentionFusion",
            "one attention over the tokens of all parts",
            "Bahdanau 2015",
            "M T D^2",
        ),
        "cross_attention": Card(
            "fusion.cross_attention.CrossAttentionFusion",
            "each part looks at the tokens of the others",
            "Lu 2019 (ViLBERT)",
            "(M T)^2 D",
        ),
        "attention": Card(
            "fusion.attention.AttentionFusion",
            "a Transformer over [CLS] and the tokens of all parts",
            "Vaswani 2017",
            "(M T)^2 D",
        ),
        "non_local": Card(
            "fusion.non_local.NonLocalFusion",
            "a non-local block across parts, the identity at first",
            "Wang 2018",
            "(M T)^2 D",
            standard=False,
        ),
        "matching": Card(
            "fusion.matching.MatchingFusion",
            "how alike the tokens of two parts are, beside the parts",
            "Lee 2018 (SCAN)",
            "(M T)^2 D",
            standard=False,
            options={"weight": 0.1, "temperature": 0.07},
            least={"weight": 0},
            fault=contrast_fault,
        ),
        "views": Card(
            "fusion.views.ViewsFusion",
            "the largest over parts, place by place, then a second network",
            "Su 2015 (MVCNN)",
            "M T D + D^2",
        ),
        "end_to_end_cnn": Card(
            "fusion.end_to_end_cnn.EndToEndCnnFusion",
            "parts as channels of one convolutional network",
            "early fusion",
            "M D^2",
        ),
        "end_to_end_rnn": Card(
            "fusion.end_to_end_rnn.EndToEndRnnFusion",
            "parts read side by side by one recurrent network",
            "Elman 1990",
            "M D^2",
        ),
        "late_weighted": Card(
            "fusion.late_weighted.LateWeightedFusion",
            "a weighted average of each part's own answers",
            "Stone 1961",
            "M D^2",
            is_late=True,
            is_fitted=True,
        ),
        "late_attention": Card(
            "fusion.late_attention.LateAttentionFusion",
            "each record chooses whose answers to believe",
            "Jacobs 1991",
            "M D^2",
            is_late=True,
        ),
        "stacking": Card(
            "fusion.stacking.StackingFusion",
            "a second model over the answers, fitted on validation",
            "Wolpert 1992",
            "M D^2 + M C",
            is_late=True,
            is_fitted=True,
        ),
        "opinion_pool": Card(
            "fusion.opinion_pool.OpinionPoolFusion",
            "the product of each part's own answers (product of experts)",
            "Genest 1986, Hinton 2002",
            "M D^2",
            is_late=True,
        ),
    },
)
