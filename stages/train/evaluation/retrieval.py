"""Finding one part of a record by another, in the space that a model has made common to both."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import TypedDict

import torch
from torch import Tensor
from torch.nn import functional

from ....schemas.errors import InputError
from ....schemas.plain_text import plain_table, render_text
from ..data.inputs import chosen_split, shards_of
from ..model import checkpoint

RANKS = (1, 5, 10)
_MOST_ROWS = 20_000
_AT_ONCE = 1024


class Retrieved(TypedDict):
    """pairs: ``a -> b`` -> recall at each rank (``R@1``), ``median_rank``, and of how many
    ``records``.
    """

    split: str
    pairs: dict[str, dict[str, float]]


@torch.no_grad()
def retrieve(path: Path, shards: Path, split: str = "") -> Retrieved:
    """For every ordered pair of parts, how often the other part of the same record is among the
    first 1, 5 and 10 of all records that have both.

    InputError for a model whose fusion makes no common space (``common_space`` and ``matching``
    do).
    """
    saved = checkpoint.load(path)
    folder = shards_of(shards)
    chosen = chosen_split(folder, split)
    embedded, present, rows = [], [], 0
    for raw in saved.inputs.open(folder, chosen, rank=0, world=1):
        batch = saved.inputs.completed(raw)
        tokens, masks = saved.model.encode(batch)
        info = saved.model.decided(tokens, masks, batch.present_BM, batch.present_BM).info
        if "embeddings" not in info:
            raise InputError(
                f"{path}: the fusion {saved.options.fusion!r} makes no common space; train with"
                " fusion: common_space or matching"
            )
        real_B = batch.weight_B > 0
        embedded.append(info["embeddings"][real_B].float())
        present.append(batch.present_BM[real_B])
        rows += int(real_B.sum())
        if rows >= _MOST_ROWS:
            break
    vectors_NMD, there_NM = torch.cat(embedded), torch.cat(present)
    pairs: dict[str, dict[str, float]] = {}
    for a, b in itertools.permutations(range(len(saved.model.names)), 2):
        both_N = there_NM[:, a] & there_NM[:, b]
        if both_N.any():
            ranks_N = ranks_of(vectors_NMD[both_N, a], vectors_NMD[both_N, b])
            recalls = {f"R@{rank}": float((ranks_N < rank).float().mean()) for rank in RANKS}
            pairs[f"{saved.model.names[a]} -> {saved.model.names[b]}"] = {
                **recalls,
                "median_rank": int(ranks_N.median()) + 1,
                "records": int(both_N.sum()),
            }
    return {"split": chosen, "pairs": pairs}


def ranks_of(asked_ND: Tensor, offered_ND: Tensor) -> Tensor:
    """How many offers are more like each row than its own ``[N]``, by cosine; half of those that
    are just as much like it count.
    """
    asked_ND, offered_ND = (
        functional.normalize(asked_ND, dim=1),
        functional.normalize(offered_ND, dim=1),
    )
    ranks = []
    for begin in range(0, len(asked_ND), _AT_ONCE):
        scores_BN = asked_ND[begin : begin + _AT_ONCE] @ offered_ND.T
        own_B1 = scores_BN.gather(1, torch.arange(begin, begin + len(scores_BN))[:, None])
        # were ties free, a space in which all rows are alike would rank every one first
        ties_B = (scores_BN == own_B1).sum(1) - 1
        ranks.append((scores_BN > own_B1).sum(1) + (ties_B + 1) // 2)
    return torch.cat(ranks)


def retrieval_text(found: Retrieved) -> str:
    """The numbers as a table."""
    numbers = (*(f"R@{rank}" for rank in RANKS), "median", "of")
    table = plain_table("asked -> found", *numbers, right=numbers)
    for name, cell in found["pairs"].items():
        shares = (f"{cell[f'R@{rank}']:.3f}" for rank in RANKS)
        table.add_row(name, *shares, str(cell["median_rank"]), f"{cell['records']:,}")
    return render_text(f"split {found['split']}", table)
