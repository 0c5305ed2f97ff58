"""How the sentences that a model writes agree with those of a split."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypedDict

import torch

from ...modalities.text.words import words
from ...stream import FusionBatch
from ..data.sentences import sentences_of
from ..metrics.bleu import bleu
from ..model.checkpoint import Saved


class CaptionScores(TypedDict):
    """BLEU-4, and the share that is the same word for word, over the records that have a sentence
    of this target.
    """

    target: str
    records: int
    bleu4: float
    same: float


class CaptionReport(TypedDict, total=False):
    """Empty for a model that writes no sentences."""

    captions: CaptionScores


class Sentences:
    """Written for each batch that passes ``through``, with all parts shown; nothing where the model
    writes none.
    """

    def __init__(self, saved: Saved) -> None:
        self._saved, self._captioner = saved, saved.captioner
        self._written: list[list[str]] = []
        self._wanted: list[list[list[str]]] = []

    def through(self, stream: Iterable[FusionBatch]) -> Iterator[FusionBatch]:
        """The batches, each after its sentences have been written."""
        for raw in stream:
            if self._captioner is not None:
                self._write(self._saved.inputs.completed(raw))
            yield raw

    def report(self) -> CaptionReport:
        """How all that was written agrees."""
        if self._captioner is None or not self._written:
            return {}
        same = sum(
            sentence in references
            for sentence, references in zip(self._written, self._wanted, strict=True)
        ) / len(self._written)
        return {
            "captions": {
                "target": self._captioner.target,
                "records": len(self._written),
                "bleu4": bleu(self._written, self._wanted),
                "same": same,
            }
        }

    @torch.no_grad()
    def _write(self, batch: FusionBatch) -> None:
        assert self._captioner is not None
        model = self._saved.model
        vector_BD = model.decided(
            *model.encode(batch), batch.present_BM, batch.present_BM
        ).vector_BD
        for sentence, target, weight in zip(
            self._captioner.write(vector_BD), batch.targets(), batch.weight_B.tolist(), strict=True
        ):
            references = [
                words(reference) for reference in sentences_of(target.get(self._captioner.target))
            ]
            if references and weight:
                self._written.append(words(sentence))
                self._wanted.append(references)
