"""Vectors with fewer numbers, against scikit-learn; and that nothing but the training split is
looked at.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from commands import here
from modalmill.pipeline.featuring import FeatureTask
from modalmill.pipeline.run import Result
from modalmill.schemas.errors import InputError, RecipeError
from modalmill.schemas.features import FeatureCache
from modalmill.stages.base import Extractor, deciding_options, make, stored
from modalmill.stages.features.reduced import Reduced
from tiny import csv_source, recipe, write

sklearn = pytest.importorskip("sklearn", reason="the extra train is not installed")

from sklearn.decomposition import PCA  # noqa: E402
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis  # noqa: E402

OF = {"features.text": {"size": 6, "ngrams": 1}}
RNG = np.random.default_rng(0)
CLASSES = [str(number % 3) for number in range(60)]
VECTORS = (RNG.normal(size=(60, 6)) @ RNG.normal(size=(6, 6))).astype(np.float16)
VECTORS[:, 0] += np.arange(60) % 3
VECTORS[:, 3] += np.arange(60) % 3 == 1


def reduced(stage: Reduced, vectors: np.ndarray = VECTORS) -> np.ndarray:
    """All vectors, by what the stage is fitted to."""
    weights = stage.fit_vectors(VECTORS, CLASSES, None)
    return np.stack([stage.reduce(vector, weights) for vector in vectors])


@pytest.mark.parametrize("whiten", [False, True])
def test_principal_axes_are_those_of_scikit_learn(whiten: bool) -> None:
    found = reduced(Reduced(of=OF, rank=4, whiten=whiten))
    wanted = PCA(4, whiten=whiten, svd_solver="full").fit_transform(VECTORS.astype(np.float64))
    signs = np.sign((found * wanted).sum(0))
    np.testing.assert_allclose(found * signs, wanted, atol=1e-4)
    if whiten:
        np.testing.assert_allclose(np.cov(found.T), np.eye(4), atol=1e-4)


def test_discriminant_axes_are_those_of_scikit_learn() -> None:
    found = reduced(Reduced(of=OF, by="lda", rank=2, target="y"))
    wanted = LinearDiscriminantAnalysis().fit(VECTORS, CLASSES).transform(VECTORS)
    for own, other in zip(found.T, wanted.T, strict=True):
        assert abs(np.corrcoef(own, other)[0, 1]) > 0.9999


def test_standardised_numbers_have_mean_0_and_deviation_1() -> None:
    constant = VECTORS.copy()
    constant[:, 2] = 7
    stage = Reduced(of=OF, by="standardise")
    weights = stage.fit_vectors(constant, CLASSES, None)
    found = np.stack([stage.reduce(vector, weights) for vector in constant])
    np.testing.assert_allclose(found.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(found.std(0), [1, 1, 0, 1, 1, 1], atol=1e-5)


def test_axes_along_which_nothing_varies_cannot_be_whitened() -> None:
    flat = VECTORS.copy()
    flat[:, 1:] = flat[:, :1]
    with pytest.raises(InputError, match="vary along fewer than 3 axes"):
        Reduced(of=OF, rank=3, whiten=True).fit_vectors(flat, CLASSES, None)
    with pytest.raises(InputError, match="3 classes have at most 2"):
        Reduced(of=OF, by="lda", rank=3, target="y").fit_vectors(VECTORS, CLASSES, None)
    with pytest.raises(InputError, match="cannot be whitened"):
        Reduced(of=OF, rank=1, whiten=True).fit_vectors(VECTORS[:1], CLASSES[:1], None)
    each = [str(number) for number in range(len(VECTORS))]
    with pytest.raises(InputError, match="no spread within them"):
        Reduced(of=OF, by="lda", rank=2, target="y").fit_vectors(VECTORS, each, None)


def corpus(folder: Path, test_word: str = "frog") -> dict[str, Any]:
    """Texts of two classes with a split of their own."""
    rows = [
        {
            "id": str(number),
            "split": "test" if number % 5 == 0 else "train",
            "text": f"{'cat dog' if number % 2 else 'tree leaf'} {number % 7} word{number}"
            + (f" {test_word}" if number % 5 == 0 else ""),
            "y": "animal" if number % 2 else "plant",
        }
        for number in range(60)
    ]
    write(folder / "t.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    return {
        "type": "jsonl",
        "path": "t.jsonl",
        "id": "{id}",
        "split": "{split}",
        "text": {"text": "text"},
        "targets": ["y"],
    }


def features(**options: object) -> dict[str, Any]:
    return {"text": {"features.reduced": {"of": OF, **options}}}


@pytest.mark.parametrize(
    "options",
    [{"rank": 3}, {"by": "lda", "rank": 1, "target": "y"}, {"by": "standardise"}],
    ids=["pca", "lda", "standardise"],
)
def test_nothing_but_the_training_split_is_fitted_on_and_files_get_the_same_vectors(
    tmp_path: Path, run_recipe: Callable[..., Result], options: dict[str, object]
) -> None:
    notes = []
    for word in ("frog", "banana"):
        source = corpus(tmp_path, word)
        result = run_recipe(
            recipe(tmp_path, {"s": source}, features=features(**options), shard=None),
            out=tmp_path / word,
        )
        cache = FeatureCache(result.out / "features", "text")
        notes.append(cache.made_by)
    assert notes[0].weights == notes[1].weights
    assert notes[0].alike() == notes[1].alike()
    # as predict makes the vectors of what it is given
    note = notes[1]
    extractor, problems = make(str(note.address), Extractor, note.options, "checkpoint")
    assert not problems
    assert isinstance(extractor, Reduced)
    assert extractor.identity() == note.identity
    assert deciding_options(extractor) == note.options
    text = "tree leaf 3 word10 banana"
    vector = stored(extractor, extractor.extract(text), np.array(note.weights, np.float32))
    assert (cache.vectors == vector).all(1).any()
    assert cache.dims == extractor.dims()


def test_nothing_to_fit_on_is_told(tmp_path: Path, run_recipe: Callable[..., Result]) -> None:
    write(tmp_path / "t.csv", "id,text,other\n1,,one\n2,,two\n")
    source = csv_source("text") | {"text": {"text": "text", "other": "other"}}
    value = recipe(tmp_path, {"s": source}, features=features(rank=1), shard=None)
    with pytest.raises(InputError, match="features.reduced is fitted to .* none of them has one"):
        run_recipe(value)


def test_another_rank_extracts_nothing_again(
    tmp_path: Path, run_recipe: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    source = corpus(tmp_path)
    run_recipe(recipe(tmp_path, {"s": source}, features=features(rank=3), shard=None))
    monkeypatch.setattr(FeatureTask, "run", None)
    run_recipe(recipe(tmp_path, {"s": source}, features=features(rank=2), shard=None))
    assert FeatureCache(tmp_path / "out" / "features", "text").dims == 2
    with pytest.raises(TypeError):
        run_recipe(
            recipe(
                tmp_path,
                {"s": source},
                features={"text": {"features.reduced": {"of": "features.text", "rank": 2}}},
                shard=None,
            )
        )


def test_lda_does_not_see_answers_of_records_without_a_split(
    tmp_path: Path, run_recipe: Callable[..., Result]
) -> None:
    source = corpus(tmp_path)
    del source["split"]
    with pytest.raises(InputError, match=r"wants records of the split 'train', and found none"):
        run_recipe(
            recipe(
                tmp_path,
                {"s": source},
                features=features(by="lda", rank=1, target="y"),
                shard=None,
            )
        )


def test_that_all_splits_are_fitted_on_where_none_is_called_train_is_told(tmp_path: Path) -> None:
    source = corpus(tmp_path)
    del source["split"]
    value = recipe(
        tmp_path,
        {"s": source},
        [{"align.split": {"folds": 3}}],
        features=features(by="standardise"),
        shard=None,
    )
    write(tmp_path / "r.yaml", yaml.safe_dump(value))
    done = here("run", tmp_path / "r.yaml", "--out", tmp_path / "out", "--engine", "serial")
    assert done.returncode == 0, done.stderr
    told = " ".join((done.stdout + done.stderr).split())
    assert "is fitted to all records, those that a model is tested on as well" in told


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({}, "rank: pca wants how many axes, found None"),
        ({"rank": 7}, "rank: wanted 1 to 6, the numbers of features.text, found 7"),
        ({"by": "standardise", "rank": 2}, "rank: standardise wants no rank, found 2"),
        ({"by": "lda", "rank": 2}, "target: lda wants the target it tells apart, found None"),
        ({"rank": 2, "target": "y"}, "target: pca wants no target, found y"),
        ({"by": "standardise", "whiten": True}, "whiten: is of pca"),
        ({"of": "features.txet", "rank": 2}, "did you mean 'features.text'"),
        ({"of": {"features.text": {"sizes": 2}}, "rank": 2}, "did you mean 'size'"),
        ({"of": {}, "rank": 2}, "of: wanted one extractor with its options"),
        (
            {"of": {"features.reduced": {"of": OF, "rank": 3}}, "rank": 2},
            "found features.reduced",
        ),
    ],
)
def test_what_cannot_be_is_told_with_the_recipe(options: dict[str, object], told: str) -> None:
    made, problems = make("features.reduced", Extractor, {"of": OF, **options}, "features.text")
    assert made is None
    assert told in "\n".join(problems)


def test_a_target_that_no_record_has_is_told_with_the_recipe(
    tmp_path: Path, run_recipe: Callable[..., Result]
) -> None:
    with pytest.raises(RecipeError, match=r"features.text.target: .*'why'.*did you mean 'y'"):
        run_recipe(
            recipe(
                tmp_path,
                {"s": corpus(tmp_path)},
                features=features(by="lda", rank=1, target="why"),
                shard=None,
            )
        )
