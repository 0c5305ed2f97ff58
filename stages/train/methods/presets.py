"""Names that articles use (``train.method``), as settings of the other methods."""

from __future__ import annotations

from .card import Preset
from .fusions import FUSIONS
from .missing import MISSING

_PLAIN = {
    "image": "patches",
    "text": "embedding",
    "audio": "frames",
    "video": "video_patches",
    "feature": "linear",
    "sequence": "sequence_linear",
}

# What a recipe says itself goes before.
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
