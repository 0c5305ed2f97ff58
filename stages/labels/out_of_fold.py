"""Probabilities of classes by models that never saw the record: a regularised logistic regression
for each part, trained without the fold of the record, and what all parts say together.

N records, M of them with a part, D numbers of its vectors, C classes, F folds.
"""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize

from ...schemas.errors import MissingPackageError

# inverse strengths of the penalty, of which the one that predicts best is taken; vectors have about
# unit length, whatever their dimension
_STRENGTHS = (0.1, 1.0, 10.0, 100.0)
_ENOUGH = 5000  # records from which on one fold tells which strength is best
_LEAST = 1e-6  # a class that a fold's training did not have is not impossible


class PartVectors(NamedTuple):
    """The vectors of one part. rows_M: the records that have it. one_scale: the numbers of a vector
    are in one unit, and which of them vary most says something.
    """

    vectors_MD: np.ndarray
    rows_M: np.ndarray
    one_scale: bool


def assign_folds(unit_N: np.ndarray, given_N: np.ndarray, folds: int) -> np.ndarray:
    """The fold of each record ``int [N]``: records of one unit in one fold, and as even a share of
    each class in every fold as units allow. Units of several records come first, the largest
    first, each into the fold that has least of its classes; the others fill up.
    """
    classes = int(given_N.max()) + 1
    total_C = np.bincount(given_N, minlength=classes)
    have_FC = np.zeros((folds, classes), int)
    fold_N = np.full(len(given_N), -1)
    random = np.random.default_rng(0)
    order = np.argsort(unit_N, kind="stable")
    units = np.split(order, np.flatnonzero(np.diff(unit_N[order])) + 1)
    several = [units[place] for place in random.permutation(len(units)) if len(units[place]) > 1]
    for rows in sorted(several, key=len, reverse=True):
        own_C = np.bincount(given_N[rows], minlength=classes)
        fullness_F = have_FC @ (own_C / np.maximum(total_C, 1))
        fold = np.lexsort((have_FC.sum(1), fullness_F))[0]
        fold_N[rows] = fold
        have_FC[fold] += own_C
    for given in range(classes):
        rows = random.permutation(np.flatnonzero((given_N == given) & (fold_N < 0)))
        # every fold has a place for each of them; the lowest are taken, in smaller folds first
        level, fold = np.mgrid[0 : len(rows), 0:folds].reshape(2, -1)
        sizes_F = np.bincount(fold_N[fold_N >= 0], minlength=folds)
        lowest = np.lexsort((sizes_F[fold], level + have_FC[fold, given]))
        fold_N[rows] = fold[lowest[: len(rows)]]
    return fold_N


def predicted(
    part: PartVectors, given_N: np.ndarray, fold_N: np.ndarray, wanted_by: str
) -> np.ndarray | None:
    """The probabilities of the classes by one part ``float64 [N, C]``, NaN for records without it;
    None where there is nothing to learn, for a fold leaves one class alone to train on.
    MissingPackageError without scikit-learn.

    Vectors are standardised by the training folds. Of four strengths of the penalty the one with
    the least log loss is taken, over all folds, or over the first where there are many records.
    """
    _check_sklearn(wanted_by)
    given_M, fold_M = given_N[part.rows_M], fold_N[part.rows_M]
    classes = int(given_N.max()) + 1
    folds = np.unique(fold_M)
    if len(folds) < 2 or any(len(np.unique(given_M[fold_M != fold])) < 2 for fold in folds):
        return None
    # strength -> what it says of each fold so far
    says: dict[float, list[_OfFold]] = {strength: [] for strength in _STRENGTHS}
    for fold in folds:
        train, test = np.flatnonzero(fold_M != fold), np.flatnonzero(fold_M == fold)
        seen, unseen = _standardised(part, train, test)
        for strength, own in says.items():
            probability = np.zeros((len(test), classes))
            columns, values = _of_fold(seen, given_M[train], unseen, strength)
            probability[:, columns] = values
            own.append(_OfFold(test, probability, _log_loss(probability, given_M[test])))
        if len(given_M) > _ENOUGH:
            says = _best(says)
    result = np.full((len(given_N), classes), np.nan)
    for own in _best(says).values():
        for test, probability, _ in own:
            result[part.rows_M[test]] = probability
    return result


class _OfFold(NamedTuple):
    """The records of a fold, their probabilities, and the mean loss of these."""

    test: np.ndarray
    probability: np.ndarray
    loss: float


def _best(says: dict[float, list[_OfFold]]) -> dict[float, list[_OfFold]]:
    """The strength with the least loss over all records that were asked, alone."""
    best = min(says, key=lambda strength: sum(own.loss * len(own.test) for own in says[strength]))
    return {best: says[best]}


def pool_evidence(
    by_part: Mapping[str, np.ndarray], given_N: np.ndarray
) -> tuple[np.ndarray, dict[str, float]]:
    """What all parts say of each record ``float64 [N, C]``, and how much each counts.

    A logistic regression on their evidence: log p(c) + sum over the parts of w (log p(c | part) -
    log p(c)), in which a part that a record does not have adds nothing. With weights of 1 that is
    the product of independent parts (naive Bayes); the weights, one number a part and none below 0,
    are those of the least log loss over all records.
    """
    prior_C = np.log(np.maximum(np.bincount(given_N) / len(given_N), _LEAST))
    evidence_PNC = np.stack(
        [
            np.nan_to_num(np.log(np.maximum(probability_NC, _LEAST)) - prior_C)
            for probability_NC in by_part.values()
        ]
    )

    def together(weight_P: np.ndarray) -> np.ndarray:
        score_NC = prior_C + np.tensordot(weight_P, evidence_PNC, 1)
        score_NC = np.exp(score_NC - score_NC.max(1, keepdims=True))
        return np.asarray(score_NC / score_NC.sum(1, keepdims=True))

    def loss(weight_P: np.ndarray) -> tuple[float, np.ndarray]:
        probability_NC = together(weight_P)
        error_NC = probability_NC - np.eye(len(prior_C))[given_N]
        slope_P = np.einsum("nc,pnc->p", error_NC, evidence_PNC) / len(given_N)
        return _log_loss(probability_NC, given_N), slope_P

    start = np.full(len(by_part), 1 / len(by_part))
    bounds = [(0.0, None)] * len(by_part)
    weight_P = minimize(loss, start, jac=True, bounds=bounds, method="L-BFGS-B").x
    return together(weight_P), dict(zip(by_part, weight_P.tolist(), strict=True))


def _check_sklearn(wanted_by: str) -> None:
    if importlib.util.find_spec("sklearn") is None:
        raise MissingPackageError("scikit-learn", "train", wanted_by)


def _standardised(
    part: PartVectors, train: np.ndarray, test: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Both sets less the mean, over the deviation of the training set, and over the root of D."""
    vectors_MD = part.vectors_MD.astype(np.float32)
    mean_D, deviation_D = vectors_MD[train].mean(0), vectors_MD[train].std(0)
    if part.one_scale:
        deviation_D = np.full_like(deviation_D, np.sqrt(np.mean(deviation_D**2)))
    deviation_D[deviation_D < _LEAST] = 1.0
    scale_D = deviation_D * np.sqrt(len(deviation_D))
    return (vectors_MD[train] - mean_D) / scale_D, (vectors_MD[test] - mean_D) / scale_D


def _of_fold(
    seen: np.ndarray, given: np.ndarray, unseen: np.ndarray, strength: float
) -> tuple[np.ndarray, np.ndarray]:
    """The classes that a fold's training had, and their probabilities for the fold."""
    from sklearn.linear_model import LogisticRegression

    with warnings.catch_warnings():
        # one that is stopped early is a little more regularised, and compared by its loss as well
        warnings.filterwarnings("ignore", "lbfgs failed to converge")
        model = LogisticRegression(C=strength, max_iter=300).fit(seen, given)
    return model.classes_, model.predict_proba(unseen)


def _log_loss(probability_NC: np.ndarray, given_N: np.ndarray) -> float:
    own_N = probability_NC[np.arange(len(given_N)), given_N]
    return float(-np.log(np.maximum(own_N, _LEAST)).mean())
