"""What is asked beside the task (``train.losses``), by its word."""

from __future__ import annotations

from collections.abc import Mapping

from ....schemas.errors import nearest
from ...outside import WithOutside
from .card import Card
from .contrast import CONTRAST
from .tasks import TASKS


def _alpha_fault(parts: int, options: Mapping[str, float]) -> str:
    return "" if options["alpha"] > 0 else "wanted alpha above 0"


def _target_fault(parts: int, options: Mapping[str, str]) -> str:
    if options["task"] not in TASKS:
        return f"task: no such task {options['task']!r}{nearest(options['task'], TASKS)}"
    return "" if options["target"] else "say which target"


def _caption_fault(parts: int, options: Mapping[str, object]) -> str:
    return "" if options["target"] else "say which target holds the sentences"


LOSSES: Mapping[str, Card] = WithOutside(
    "losses",
    Card,
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
            **CONTRAST,
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
