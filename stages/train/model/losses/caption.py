"""A sentence about the record: an LSTM that begins from the fused vector and writes word after word
(Vinyals et al. 2015).

It is trained with the right words behind it (teacher forcing) and writes greedily. The vector is
shown at every step, as the answer's own head sees it, so that what is fused has to hold what there
is to tell.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypedDict

import torch
from torch import Tensor, nn
from torch.nn import functional

from .....schemas.errors import InputError
from ....modalities.text.words import build_vocabulary, words
from ...data.sentences import sentences_of
from ..loss_terms import BatchTargets, Decided, Sizes, Term
from ..objectives.objective import Targets
from ..recurrent import Lstm

PAD, UNKNOWN, END = 0, 1, 2  # END begins a sentence as well
_SPECIAL = 3


class CaptionWords(TypedDict):
    """The words that sentences are made of."""

    words: list[str]


class Caption(nn.Module):
    """target: the target that holds the sentence, or a list of sentences, one of which is drawn
    each epoch. length: most words that are written.

    weight: beside the task's loss. vocabulary: at most so many words, the commonest of the training
        split.
    """

    def __init__(
        self,
        sizes: Sizes,
        target: str = "",
        weight: float = 0.5,
        length: int = 20,
        vocabulary: int = 5000,
        fitted: CaptionWords | None = None,
    ) -> None:
        super().__init__()
        self.target, self.weight, self.length = target, weight, length
        self.words: list[str] = fitted["words"] if fitted else []
        self._ids = {word: number for number, word in enumerate(self.words, _SPECIAL)}
        self.embedding = nn.Embedding(_SPECIAL + len(self.words), sizes.width, padding_idx=PAD)
        self.begin = nn.Linear(sizes.vector, 2 * sizes.width)
        self.lstm = Lstm(sizes.width + sizes.vector, sizes.width, batch_first=True)
        self.out = nn.Linear(sizes.width, _SPECIAL + len(self.words))

    @staticmethod
    def fit(
        targets: Targets,
        target: str = "",
        vocabulary: int = 5000,
        **options: object,
    ) -> CaptionWords:
        """The words of the training split's sentences, the commonest first."""
        sentences = [
            sentence for record in targets for sentence in sentences_of(record.get(target))
        ]
        if not sentences:
            raise InputError(
                f"train.losses: caption: no record of the training split has words under {target!r}"
            )
        return {"words": list(build_vocabulary(sentences, vocabulary))}

    def terms(self, decided: Decided, task: BatchTargets) -> list[Term]:
        """The mean cross-entropy of a sentence's words and its end."""
        ids_BT = self._wanted(task).to(decided.vector_BD.device)
        before_BT = torch.cat([torch.full_like(ids_BT[:, :1], END), ids_BT[:, :-1]], 1)
        logits_BTV, _ = self._step(decided.vector_BD, before_BT, self._begin(decided.vector_BD))
        loss_BT = functional.cross_entropy(
            logits_BTV.float().transpose(1, 2), ids_BT, reduction="none", ignore_index=PAD
        )
        count_B = (ids_BT != PAD).sum(1)
        return [(self.weight * loss_BT.sum(1) / count_B.clamp(min=1), (count_B > 0).float())]

    @torch.no_grad()
    def write(self, vector_BD: Tensor) -> list[str]:
        """A sentence for each fused vector ``[B, D]``, the likeliest word at each step."""
        word_B1 = torch.full((len(vector_BD), 1), END, device=vector_BD.device)
        state, written = self._begin(vector_BD), []
        for _ in range(self.length):
            logits_B1V, state = self._step(vector_BD, word_B1, state)
            logits_B1V[..., [PAD, UNKNOWN]] = -torch.inf
            word_B1 = logits_B1V.argmax(2)
            written.append(word_B1)
        return [self._sentence(row) for row in torch.cat(written, 1).tolist()]

    def encode(self, sentences: Iterable[str | None]) -> Tensor:
        """Word ids ``[B, T]`` with ``END`` behind the last word (of at most ``length``); no
        sentence is all padding.
        """
        rows = [
            []
            if sentence is None
            else [*(self._ids.get(word, UNKNOWN) for word in words(sentence)[: self.length]), END]
            for sentence in sentences
        ]
        ids_BT = torch.zeros(len(rows), self.length + 1, dtype=torch.int64)
        for place, row in enumerate(rows):
            ids_BT[place, : len(row)] = torch.tensor(row, dtype=torch.int64)
        return ids_BT

    @torch.compiler.disable  # type: ignore[untyped-decorator]  # words are no part of a graph
    def _wanted(self, task: BatchTargets) -> Tensor:
        draws = task.draw_B.tolist() if task.draw_B is not None else [0.0] * len(task.targets)
        return self.encode(
            [
                _drawn(sentences_of(record.get(self.target)), draw)
                for record, draw in zip(task.targets, draws, strict=True)
            ]
        )

    def _begin(self, vector_BD: Tensor) -> tuple[Tensor, Tensor]:
        hidden_BD, cell_BD = self.begin(vector_BD).tanh().chunk(2, 1)
        return hidden_BD[None].contiguous(), cell_BD[None].contiguous()

    def _step(
        self, vector_BD: Tensor, before_BT: Tensor, state: tuple[Tensor, Tensor]
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        shown_BTD = vector_BD[:, None].expand(-1, before_BT.shape[1], -1)
        x_BTD, after = self.lstm(
            torch.cat([self.embedding(before_BT).to(vector_BD.dtype), shown_BTD], 2), state
        )
        return self.out(x_BTD), after

    def _sentence(self, ids: list[int]) -> str:
        return " ".join(
            self.words[number - _SPECIAL]
            for number in (ids[: ids.index(END)] if END in ids else ids)
        )


def _drawn(sentences: Sequence[str], draw: float) -> str | None:
    return sentences[int(draw * len(sentences))] if sentences else None
