"""Deep mutual learning (Zhang et al. 2018): students that teach each other, here one a part and the
fused one.

``L_k = l_k + 1/(K-1) sum_{j != k} KL(p_j || p_k)``, the peer p_j taken as given, over the rows
where both are there.
"""

from __future__ import annotations

from torch import nn

from ..loss_terms import BatchTargets, Decided, Sizes, Term
from .joint import part_answers, part_heads


class Mutual(nn.Module):
    """weight: of the students' losses and of what they teach each other."""

    def __init__(self, sizes: Sizes, weight: float = 1.0) -> None:
        super().__init__()
        self.weight = weight
        self.heads = part_heads(sizes)

    def terms(self, decided: Decided, task: BatchTargets) -> list[Term]:
        """Each student's own loss, and its divergence from every peer."""
        answers = part_answers(self.heads, decided)
        there = [task.weight_B * decided.there_BM[:, place] for place in range(len(answers))]
        terms: list[Term] = [
            (self.weight * task.loss(logits_BO), here_B)
            for logits_BO, here_B in zip(answers, there, strict=True)
        ]
        students = [
            *zip(answers, there, strict=True),
            (decided.logits_BO, task.weight_B * decided.shown_BM.any(1)),
        ]
        for number, (own_BO, own_B) in enumerate(students):
            for other, (peer_BO, peer_B) in enumerate(students):
                if other != number:
                    apart_B = task.objective.divergence(peer_BO.detach(), own_BO)
                    terms.append((self.weight / (len(students) - 1) * apart_B, own_B * peer_B))
        return terms
