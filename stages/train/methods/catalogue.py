"""Every method of the training stage by its word, each with a card; known without torch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ....schemas.contents import Kind
from ....schemas.errors import InputError, nearest
from ...base import Addressed, Extractor, Source, addresses
from ...outside import WithOutside
from .card import Card, Preset, TaskCard, cards_text

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


def _weighted_fault(parts: int, options: Mapping[str, Any]) -> str:
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


def _gated_fault(parts: int, options: Mapping[str, Any]) -> str:
    costs = options["costs"]
    return f"wanted {parts} costs from 0 upwards, one for each input, found {costs}" * bool(
        costs and (len(costs) != parts or min(costs) < 0)
    )


def _alpha_fault(parts: int, options: Mapping[str, float]) -> str:
    return "" if options["alpha"] > 0 else "wanted alpha above 0"


def _target_fault(parts: int, options: Mapping[str, str]) -> str:
    if options["task"] not in TASKS:
        return f"task: no such task {options['task']!r}{nearest(options['task'], TASKS)}"
    return "" if options["target"] else "say which target"


def _caption_fault(parts: int, options: Mapping[str, object]) -> str:
    return "" if options["target"] else "say which target holds the sentences"


def _contrast_fault(parts: int, options: Mapping[str, float]) -> str:
    return "" if options["temperature"] > 0 else "wanted a temperature above 0"


_CONTRAST: dict[str, Any] = {
    "options": {"weight": 0.2, "temperature": 0.07},
    "least": {"weight": 0},
    "fault": _contrast_fault,
}

TASKS: Mapping[str, TaskCard] = WithOutside(
    "tasks",
    {
        "classification": TaskCard(
            "objectives.classification.Classification",
            "one class of many: softmax and cross-entropy",
            "standard",
            "C",
            metric="accuracy",
            wants="one word or number a record",
            one_class=True,
        ),
        "multilabel": TaskCard(
            "objectives.multilabel.Multilabel",
            "any number of labels: a sigmoid and binary cross-entropy for each",
            "standard",
            "C",
            metric="samples_f1",
            kinds=frozenset({"list"}),
            wants="a list of labels, in JSON or by 'lists' of its source",
        ),
        "regression": TaskCard(
            "objectives.regression.Regression",
            "a number: squared error, standardised by the training split",
            "standard",
            "1",
            metric="negative_mae",
            kinds=frozenset({"number"}),
            wants="a target read by 'numbers'",
        ),
        "vqa": TaskCard(
            "objectives.vqa.Vqa",
            "what several annotators answered, each answer right to a degree",
            "Teney 2018",
            "C",
            metric="vqa_accuracy",
            kinds=frozenset({"list"}),
            wants="the list of the annotators' answers",
        ),
    },
)

FUSIONS: Mapping[str, Card] = WithOutside(
    "fusions",
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
            **_CONTRAST,
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
            fault=_contrast_fault,
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

MISSING: Mapping[str, Card] = WithOutside(
    "missing",
    {
        "masked": Card(
            "missing.masked.Masked", "the fusion does not look at absent parts", "standard", ""
        ),
        "zero": Card(
            "missing.fill.Zero", "zeros, taken for the real thing (a baseline)", "standard", ""
        ),
        "mean": Card(
            "missing.fill.Mean", "the training split's mean token (a baseline)", "standard", ""
        ),
        "filler": Card("missing.fill.LearnedToken", "a learned token", "standard", ""),
        "reconstruction": Card(
            "missing.reconstruction.Reconstruction",
            "what a network makes of the parts that are there",
            "Woo 2023 (ActionMAE)",
            "M D^2",
            options={"weight": 0.2},
            least={"weight": 0},
        ),
        "retrieval": Card(
            "missing.retrieval.Retrieval",
            "the mean of the nearest training records that have the part",
            "retrieval",
            "N D",
            options={"neighbours": 5, "memory": 4096},
        ),
        "shared_specific": Card(
            "missing.shared_specific.SharedSpecific",
            "what all parts share, beside what each adds",
            "Wang 2023 (ShaSpec)",
            "M D^2",
            options={"weight": 0.1},
            least={"weight": 0},
        ),
    },
)

LOSSES: Mapping[str, Card] = WithOutside(
    "losses",
    {
        "joint": Card(
            "losses.joint.Joint",
            "each part answers alone as well",
            "standard",
            "M D C",
            options={"weight": 0.5},
            least={"weight": 0},
        ),
        "contrastive": Card(
            "losses.contrastive.Contrastive",
            "parts of one record find each other in a batch (InfoNCE)",
            "van den Oord 2018",
            "B M^2 D",
            **_CONTRAST,
        ),
        "mutual": Card(
            "losses.mutual.Mutual",
            "each part's answer and the fused one learn from each other",
            "Zhang 2018 (DML)",
            "M D C",
            options={"weight": 1.0},
            least={"weight": 0},
        ),
        "reconstruction": Card(
            "losses.reconstruction.ReconstructionLoss",
            "a decoder a part: what was hidden is made again from the fused vector",
            "Ngiam 2011",
            "M D^2",
            options={"weight": 0.2},
            least={"weight": 0},
        ),
        "domain": Card(
            "losses.domain.Domain",
            "features that do not tell which domain (or part) they are from ('AFE')",
            "Ganin 2016 (DANN)",
            "M D^2",
            standard=False,
            options={"field": "", "weight": 0.1},
            least={"weight": 0},
        ),
        "multitask": Card(
            "losses.multitask.MultiTask",
            "another target from the same trunk, weighted by its uncertainty",
            "Kendall 2018",
            "D C",
            options={"target": "", "task": "classification"},
            fault=_target_fault,
        ),
        "caption": Card(
            "losses.caption.Caption",
            "an LSTM writes a sentence from the fused vector; 'modalmill predict' shows it",
            "Vinyals 2015",
            "T D^2 + T D V",
            options={"target": "", "weight": 0.5, "length": 20, "vocabulary": 5000},
            least={"weight": 0, "length": 1, "vocabulary": 1},
            fault=_caption_fault,
        ),
        "adversarial": Card(
            "losses.adversarial.Adversarial",
            "the answer holds when tokens move by eps against it (FGSM, PGD)",
            "Goodfellow 2015, Madry 2018",
            "steps times a pass",
            options={"weight": 0.5, "eps": 0.1, "steps": 1},
            least={"weight": 0, "eps": 0},
        ),
        "mixup": Card(
            "losses.mixup.Mixup",
            "tokens of two records mixed, with one share for all parts",
            "Zhang 2018, Verma 2019",
            "a pass",
            options={"weight": 0.5, "alpha": 0.2},
            least={"weight": 0},
            fault=_alpha_fault,
        ),
        "cutmix": Card(
            "losses.cutmix.CutMix",
            "the later tokens of one record in the place of another's",
            "Yun 2019",
            "a pass",
            options={"weight": 0.5, "alpha": 1.0},
            least={"weight": 0},
            fault=_alpha_fault,
        ),
    },
)

ENCODERS: Mapping[str, Card] = WithOutside(
    "encoders",
    {
        "cnn": Card(
            "encoders.image.ImageCnn",
            "three convolutions, 4 x 4 tokens",
            "standard",
            "",
            reads="image",
        ),
        "resnet18": Card(
            "encoders.resnet.ResNet18",
            "11.7 M parameters; torchvision's names",
            "He 2016",
            "1.8 G at 224",
            reads="image",
        ),
        "resnet34": Card(
            "encoders.resnet.ResNet34",
            "21.8 M parameters; torchvision's names",
            "He 2016",
            "3.7 G at 224",
            reads="image",
        ),
        "resnet50": Card(
            "encoders.resnet.ResNet50",
            "25.6 M parameters; torchvision's names",
            "He 2016",
            "4.1 G at 224",
            reads="image",
        ),
        "resnet101": Card(
            "encoders.resnet.ResNet101",
            "44.5 M parameters; torchvision's names",
            "He 2016",
            "7.8 G at 224",
            reads="image",
        ),
        "patches": Card(
            "encoders.image.ImagePatches",
            "a linear map of 8 x 8 cells",
            "Dosovitskiy 2021",
            "",
            reads="image",
        ),
        "lstm": Card(
            "encoders.text.TextLstm",
            "embedding and LSTM, both ways",
            "Hochreiter 1997",
            "T D^2",
            reads="text",
        ),
        "gru": Card(
            "encoders.text.TextGru",
            "embedding and GRU, both ways",
            "Cho 2014",
            "T D^2",
            reads="text",
        ),
        "transformer": Card(
            "encoders.text.TextTransformer",
            "embedding and two layers of self-attention",
            "Vaswani 2017",
            "T^2 D",
            reads="text",
        ),
        "text_cnn": Card(
            "encoders.text.TextCnn",
            "embedding and convolutions over 3, 4 and 5 words",
            "Kim 2014",
            "T D^2",
            reads="text",
        ),
        "embedding": Card(
            "encoders.text.TextEmbedding",
            "embedding and position alone",
            "standard",
            "T D",
            reads="text",
        ),
        "spectrum_cnn": Card(
            "encoders.audio.SpectrumCnn",
            "convolutions over a spectrogram, 8 tokens",
            "standard",
            "",
            reads="audio",
        ),
        "spectrum_lstm": Card(
            "encoders.audio.SpectrumLstm",
            "LSTM over the frames of a spectrogram",
            "Hochreiter 1997",
            "T D^2",
            reads="audio",
        ),
        "frames": Card(
            "encoders.audio.SpectrumFrames",
            "a linear map of each frame of a spectrogram",
            "standard",
            "T D",
            reads="audio",
        ),
        "frames_cnn": Card(
            "encoders.video.FramesCnn",
            "one network for every frame, then time",
            "standard",
            "",
            reads="video",
        ),
        "r3d18": Card(
            "encoders.resnet3d.R3d18",
            "33.4 M parameters; torchvision's names",
            "Tran 2018",
            "41 G at 16 x 112",
            reads="video",
        ),
        "i3d_resnet18": Card(
            "encoders.resnet3d.I3dResNet18",
            "a ResNet-18 inflated along time",
            "Carreira 2017",
            "",
            reads="video",
        ),
        "video_patches": Card(
            "encoders.video.VideoPatches",
            "a linear map of each frame",
            "standard",
            "",
            reads="video",
        ),
        "table_tokens": Card(
            "encoders.table.TableTokens",
            "a token for each cell",
            "Gorishniy 2021",
            "C D",
            reads="table",
        ),
        "table_linear": Card(
            "encoders.table.TableLinear",
            "a linear map of the cells, categories one by one",
            "standard",
            "C D",
            reads="table",
        ),
        "series_cnn": Card(
            "encoders.series.SeriesCnn",
            "three convolutions over time, 8 tokens",
            "standard",
            "T D",
            reads="series",
        ),
        "series_lstm": Card(
            "encoders.series.SeriesLstm",
            "LSTM over time",
            "Hochreiter 1997",
            "T D^2",
            reads="series",
        ),
        "mlp": Card(
            "encoders.vector.VectorMlp",
            "two layers over a cached vector",
            "standard",
            "F D",
            reads="feature",
        ),
        "linear": Card(
            "encoders.vector.VectorLinear",
            "a linear map of a cached vector",
            "standard",
            "F D",
            reads="feature",
        ),
    },
)

FIRST_OF_FEATURES = "mlp"
_PLAIN = {
    "image": "patches",
    "text": "embedding",
    "audio": "frames",
    "video": "video_patches",
    "feature": "linear",
}

# Names that articles use, as settings of the methods above. What a recipe says itself goes before.
METHODS: dict[str, Preset] = {
    **{word: Preset(card.what, {"fusion": word}) for word, card in FUSIONS.items()},
    "weighted_grid": Preset(
        "a weighted average, the weights tried on validation",
        {"fusion": {"weighted": {"grid": 10}}},
    ),
    "meta_space": Preset("'meta-space': a common space", {"fusion": "common_space"}),
    "collaborative_filtering": Preset(
        "'collaborative filtering': matrix factorisation with missing cells",
        {"fusion": "factorization"},
    ),
    "self_attention": Preset(
        "one self-attention network over all parts", {"fusion": "attention", "encoders": _PLAIN}
    ),
    "one_cnn": Preset(
        "one convolutional network over all parts", {"fusion": "end_to_end_cnn", "encoders": _PLAIN}
    ),
    "one_rnn": Preset(
        "one recurrent network over all parts", {"fusion": "end_to_end_rnn", "encoders": _PLAIN}
    ),
    "mcnn": Preset(
        "a convolutional network a part, then concat (the name is Ma 2015's, the network the"
        " articles' own)",
        {"fusion": "concat", "encoders": {"text": "text_cnn"}},
    ),
    "cmn": Preset("'cross-modal matching network'", {"fusion": "matching"}),
    "dfn": Preset("'dynamic fusion network'", {"fusion": "gated"}),
    "nasn": Preset(
        "'Non-local Spatial Attention Network': non-local attention across parts (Wang 2018)",
        {"fusion": "non_local"},
    ),
    "dml": Preset("deep mutual learning (Zhang 2018)", {"fusion": "mean", "losses": ["mutual"]}),
    "mvcnn": Preset("multi-view CNN (Su 2015)", {"fusion": "views"}),
    "afe": Preset(
        "'Adversarial Feature Learning for Unsupervised Domain Adaptation' (Ganin 2016); parts"
        " are aligned unless domain.field names a target",
        {"fusion": "mean", "losses": ["domain"]},
    ),
    "cross_encoder": Preset(
        "'cross-encoder': a multimodal autoencoder beside a classifier (Ngiam 2011)",
        {"losses": ["reconstruction"]},
    ),
    "joint_loss": Preset(
        "each part answers alone as well", {"fusion": "weighted", "losses": ["joint"]}
    ),
    "alignment": Preset(
        "InfoNCE between the parts beside the task (van den Oord 2018)", {"losses": ["contrastive"]}
    ),
    "adversarial_training": Preset("FGSM on tokens (Goodfellow 2015)", {"losses": ["adversarial"]}),
    "mixup": Preset("mixed records (Zhang 2018)", {"losses": ["mixup"]}),
    "cutmix": Preset("cut and joined records (Yun 2019)", {"losses": ["cutmix"]}),
    "balanced": Preset("inverse class frequencies as weights of the loss", {"class_weights": True}),
    "focal": Preset("focal loss (Lin 2017)", {"focal": 2.0}),
    **{
        f"missing_{word}": Preset(f"absent parts: {card.what}", {"missing": word})
        for word, card in MISSING.items()
        if word != "masked"
    },
    "drop_incomplete": Preset(
        "learns from complete records alone (a baseline)",
        {"complete_only": True, "modality_dropout": 0.0},
    ),
    "no_modality_dropout": Preset(
        "trained with everything that is there", {"modality_dropout": 0.0}
    ),
}


_KINDS = (
    (
        "fusion: how the parts become one vector, or one answer (train.fusion)",
        FUSIONS,
        "fusion: {}",
    ),
    (
        "encoders: how one part becomes tokens (train.inputs.<part>.encoder, or"
        " train.encoders.<modality>)",
        ENCODERS,
        "inputs: {{<part>: {{encoder: {}}}}}",
    ),
    ("missing: what stands for an absent part (train.missing)", MISSING, "missing: {}"),
    ("tasks: what is asked of a record (train.task)", TASKS, "task: {}"),
    ("losses: what is asked beside the task (train.losses)", LOSSES, "losses: [{}]"),
)


def refused(where: str, task: str, target: str, kind: Kind | None) -> str:
    """What is wrong with a task for a target of that kind, and which tasks take it; or nothing."""
    card = TASKS[task]
    if kind is None or kind in card.kinds:
        return ""
    refusal = f"{where}: {task} wants {card.wants}, and {target!r} is a {kind}"
    others = [word for word, other in TASKS.items() if kind in other.kinds]
    return f"{refusal}; task: {' or '.join(others)} takes it" if others else refusal


def methods_text() -> str:
    """Every method with its card, and the names of articles as settings of them."""
    indent = max(len(word) for _, cards, _ in _KINDS for word in cards)
    lines = []
    for title, cards, _ in _KINDS:
        lines += [*cards_text(title, cards, indent), ""]
    lines.append(
        "methods: settings of these by the names that articles use (train.method, compare"
        " --methods); every fusion is one too"
    )
    width = max(len(word) for word in METHODS)
    for word, preset in METHODS.items():
        if word not in FUSIONS:
            lines += [f"  {word:<{width}}  {preset.what}", f"  {'':<{width}}  {preset.text()}"]
    return "\n".join([*lines, "", "How one works and what its options are: modalmill methods NAME"])


def method_words() -> set[str]:
    """Every name of a method, of all kinds."""
    return {*METHODS, *(word for _, cards, _ in _KINDS for word in cards)}


def method_text(name: str) -> str:
    """All about the methods of this name, and how a recipe's ``train`` section says them;
    InputError where there is none.
    """
    lines: list[str] = []
    name = name.lower()
    for title, cards, form in _KINDS:
        if name in cards:
            feature = "feature: true, " if cards[name].reads == "feature" else ""
            lines += [
                title,
                *cards[name].told(name, form.replace("encoder:", f"{feature}encoder:")),
                "",
            ]
    if name in METHODS and name not in FUSIONS:
        lines += [
            "methods: settings of others by the name that articles use",
            f"  {name}: {METHODS[name].what}",
            "",
        ]
        lines += [f"  in a recipe: method: {name}", f"  which is:    {METHODS[name].text()}", ""]
    if not lines:
        elsewhere = {
            *addresses(Addressed),
            *addresses(Extractor),
            *(address.partition(".")[2] for address in addresses(Source)),
        }
        if name in elsewhere:
            raise InputError(f"{name}: is no method of training; see 'modalmill stages {name}'")
        raise InputError(f"{name}: no method has this name{nearest(name, method_words())}")
    return "\n".join(lines[:-1])
