"""Sequences of features from recipe to prediction, on answers that only their order, or one of
their vectors, tells.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import modalmill as mm
import numpy as np
import pyarrow as pa
import pytest
import torch
from commands import here
from modalmill.pipeline.api import Sequences
from modalmill.pipeline.run import Result
from modalmill.schemas.errors import RecipeError
from modalmill.schemas.features import FeatureCache
from modalmill.stages.train.model import checkpoint
from modalmill.stages.train.use.explain import explain
from modalmill.stages.train.use.export import export
from modalmill.stages.train.use.predict import Predictor
from tiny import csv_source, recipe, write

# of "up" and "down" together, and of "odd" and "even" together, the mean is that of "pad"
WORDS = {
    "up": [1, 1, 0],
    "down": [-1, -1, 0],
    "odd": [1, -1, 0],
    "even": [-1, 1, 0],
    "pad": [0, 0, 0],
    "of": [0, 0, 1],
    "the": [0, 0, -1],
}
FILLING = ("pad", "of", "the")


def text_of(draw: random.Random, order: bool) -> tuple[str, str]:
    """A text with its answer: which of two words comes first, or which pair it has."""
    filling = [draw.choice(FILLING) for _ in range(draw.randint(1, 9))]
    answer = draw.random() < 0.5
    two = ["up", "down"] if answer or order else ["odd", "even"]
    if order:
        two = two if answer else two[::-1]
    else:
        draw.shuffle(two)
    for place, word in zip(sorted(draw.sample(range(len(filling) + 2), 2)), two, strict=True):
        filling.insert(place, word)
    return " ".join(filling), str(answer)


def corpus(root: Path, count: int, order: bool) -> dict[str, Any]:
    """The source of so many texts, beside a file of the vectors of their words."""
    write(
        root / "words.txt",
        "\n".join(f"{word} {' '.join(map(str, vector))}" for word, vector in WORDS.items()) + "\n",
    )
    draw = random.Random(0)
    lines = ["id,note,answer"]
    for number in range(count):
        text, answer = text_of(draw, order)
        lines.append(f"{number},{text},{answer}")
    write(root / "t.csv", "\n".join(lines) + "\n")
    return {"t": csv_source("note", targets=["answer"])}


def recipe_of(
    root: Path,
    encoder: str | None,
    pool: str = "none",
    order: bool = True,
    count: int = 300,
    **train: Any,
) -> dict[str, Any]:
    section = {
        "target": "answer",
        "inputs": {"note": {"feature": True, **({"encoder": encoder} if encoder else {})}},
        "width": 32,
        "hidden": 32,
        "epochs": 12,
        "batch_size": 20,
        "learning_rate": 3e-3,
        "dropout": 0.0,
        "modality_dropout": 0.0,
        "device": "cpu",
        "checks": False,
        **train,
    }
    features = {"note": {"features.word_vectors": {"path": str(root / "words.txt"), "pool": pool}}}
    stages = [{"align.split": {"shares": {"train": 0.7, "test": 0.3}}}]
    return recipe(
        root, corpus(root, count, order), stages, features=features, shard={}, train=section
    )


@pytest.mark.parametrize(
    ("encoder", "pool", "order", "learns"),
    [
        ("sequence_lstm", "none", True, True),
        ("sequence_transformer", "none", True, True),
        # what reads a sequence where nothing else is said
        (None, "none", False, True),
        # the same without the sequence, and by its mean
        ("mlp", "mean", True, False),
        ("mlp", "mean", False, False),
        ("sequence_mean", "none", True, False),
        ("sequence_mean", "none", False, False),
    ],
)
def test_what_only_the_sequence_tells_is_learned_by_what_sees_it(
    encoder: str | None,
    pool: str,
    order: bool,
    learns: bool,
    tmp_path: Path,
    run_recipe: Callable[..., Result],
) -> None:
    result = run_recipe(recipe_of(tmp_path, encoder, pool, order))
    assert result.training is not None
    # of 90 answers by chance 0.71 is four deviations above the half
    assert result.training["all"] > 0.9 if learns else result.training["all"] < 0.71, (
        result.training
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of the order of words."""
    root = tmp_path_factory.mktemp("sequences")
    value = recipe_of(root, "sequence_lstm", count=120, epochs=2, buckets={"note": [4, 8]})
    value["features"]["note"]["features.word_vectors"]["longest"] = 12  # the longest text has 11
    mm.run(value, out=root / "out", engine="serial", quiet=True)
    return root


def test_the_cache_has_all_vectors_one_after_the_other_and_where_each_begins(
    trained: Path,
) -> None:
    """Read by Arrow alone: no padding on disk, and every word where its text has it."""
    with pa.memory_map(str(trained / "out" / "features" / "note.arrow")) as source:
        table = pa.ipc.open_file(source).read_all()
    assert table.schema.field("sequence").type == pa.large_list(pa.list_(pa.float16(), 3))
    lists = table["sequence"].to_pylist()
    texts = dict(line.split(",")[:2] for line in (trained / "t.csv").read_text().splitlines()[1:])
    cache = FeatureCache(trained / "out" / "features", "note")
    keys = pa.chunked_array([[f"t-{number}" for number in texts]])
    rows = cache.rows(keys)
    for text, row in zip(texts.values(), rows.tolist(), strict=True):
        assert lists[row] == [WORDS[word] for word in text.split()]
    assert cache.lengths(rows).tolist() == [len(text.split()) for text in texts.values()]
    assert cache.lengths(np.array([-1])).tolist() == [0]
    assert len(cache.vectors) == sum(map(len, lists))
    assert cache.vectors.base is not None, "a view of the memory map"


def test_they_come_back_with_their_keys(trained: Path) -> None:
    found = mm.features(trained / "out", "note")
    assert isinstance(found, Sequences)
    assert len(found) == 120
    texts = [line.split(",")[1] for line in (trained / "t.csv").read_text().splitlines()[1:]]
    place = found.keys.index("t-7")
    assert found[place].tolist() == [WORDS[word] for word in texts[7].split()]
    assert np.array_equal(found[-1], list(found)[-1])
    assert found.to_arrow()["sequence"][place].as_py() == found[place].tolist()
    assert np.allclose(found.means()[place], found[place].mean(0), atol=1e-6)
    assert "120 records, 3 to 11 vectors of 3 float16 each, by features.word_vectors" in repr(found)


def test_raw_texts_are_answered_as_the_shards_are_and_explained_word_by_word(
    trained: Path,
) -> None:
    best = trained / "out" / "training" / "best.pt"
    predictor = Predictor(best)
    texts = {
        f"t-{number}": line.split(",")[1]
        for number, line in enumerate((trained / "t.csv").read_text().splitlines()[1:])
    }
    for row in list(predictor.shards(trained / "out", "test"))[:9]:
        one = predictor.one({"text": texts[row["key"]]})
        assert [a["answer"] for a in one["answers"]] == [a["answer"] for a in row["answers"]]
        assert one["answers"][0]["probability"] == pytest.approx(
            row["answers"][0]["probability"], abs=1e-5
        )
    report = explain(best, {"text": "of up the down"})
    assert len(report.report["carried"]["note"]["values"]) == 4
    report.draw(trained / "x.png")
    assert (trained / "x.png").stat().st_size > 1000
    write(trained / "q.csv", "key,note\na,up\nb,of up the down pad\nc,\nd,wug\n")
    done = here("predict", best, "--csv", trained / "q.csv", "--json")
    assert done.returncode == 0, done.stderr
    a, b, c, d = (json.loads(line) for line in done.stdout.splitlines())
    assert a["used"] == b["used"] == ["note"]
    assert c["used"] == d["used"] == []
    alone = predictor.one({"text": "of up the down pad"})["answers"]
    assert b["answers"][0]["probability"] == pytest.approx(alone[0]["probability"], abs=1e-5)


def test_what_is_cut_or_left_out_of_what_is_given_is_told(trained: Path) -> None:
    """Twelve vectors are kept of a text; words without one are left out."""
    best = trained / "out" / "training" / "best.pt"
    cut = "1 of 1 sequences are longer than longest: 12, and were cut at their end"
    unknown = "1 of 3 words have no vector in"
    write(trained / "q.csv", f"key,note\na,{'up ' * 13}\nb,of up wug\nc,{'up ' * 12}\n")
    done = here("predict", best, "--csv", trained / "q.csv", "--json")
    assert done.returncode == 0, done.stderr
    a, b, c = (json.loads(line) for line in done.stdout.splitlines())
    assert a["remarks"] == {"note": cut}
    assert unknown in b["remarks"]["note"]
    assert "remarks" not in c
    assert f"note: {cut}" in " ".join(here("predict", best, "--text", "up " * 13).stdout.split())
    told = " ".join(here("explain", best, "--text", "of up wug").stdout.split())
    assert f"note: {unknown}" in told


def test_an_exported_file_scores_as_the_model_does(trained: Path) -> None:
    """Of an LSTM it takes one length, to which the sequences of all batches are filled up."""
    best = trained / "out" / "training" / "best.pt"
    report = export(best, trained / "m.pt2", shards=trained / "out", split="test")
    assert report["inputs"]["note"]["shape"] == ["batch", 12, 3]
    assert report["furthest_from_model"] < 1e-5
    for subset, scores in report["scores"]["subsets"].items():
        assert scores["file"] == pytest.approx(scores["model"], abs=1e-6), subset


def test_batches_of_a_class_of_length_are_no_longer_than_it(trained: Path) -> None:
    saved = checkpoint.load(trained / "out" / "training" / "best.pt")
    stream = saved.inputs.open(trained / "out" / "shards", "train", 3, training=True)
    seen = set()
    for batch in stream:
        lengths = batch.lengths["note"]
        assert batch.parts["note"].shape[1] == int(lengths.max())
        real = lengths[batch.weight_B > 0].tolist()
        seen.add(classes := {4 * (1 + (length > 4) + (length > 8)) for length in real}.pop())
        assert {4 * (1 + (length > 4) + (length > 8)) for length in real} == {classes}
    assert seen == {4, 8, 12}


def test_sequences_that_are_too_long_are_cut_and_told(
    tmp_path: Path, run_recipe: Callable[..., Result]
) -> None:
    value = recipe_of(tmp_path, "sequence_lstm", count=40)
    del value["train"]
    options = value["features"]["note"]["features.word_vectors"]
    whole = FeatureCache(run_recipe(value).out / "features", "note")
    options["longest"] = 5
    path = write(tmp_path / "r.json", json.dumps(value))
    done = here("run", path, "--out", tmp_path / "short", "--engine", "serial")
    assert done.returncode == 0, done.stderr
    cut = FeatureCache(tmp_path / "short" / "features", "note")
    rows = np.arange(40)
    assert cut.lengths(rows).tolist() == np.minimum(whole.lengths(rows), 5).tolist()
    for row in rows.tolist():
        assert np.array_equal(cut.sequence(row), whole.sequence(row)[:5])
    number = int((whole.lengths(rows) > 5).sum())
    assert 0 < number < 40
    told = f"{number} of 40 sequences are longer than longest: 5, and were cut at their end"
    assert told in " ".join(done.stderr.split())


def test_half_of_the_work_done_is_the_same_file(
    tmp_path: Path, run_recipe: Callable[..., Result]
) -> None:
    """A cache that grows, by other workers, has the bytes of one that was made at once."""
    value = recipe_of(tmp_path, "sequence_lstm", count=40)
    del value["train"]
    once = run_recipe(value).out / "features" / "note.arrow"
    rows = (tmp_path / "t.csv").read_text().splitlines()
    write(tmp_path / "t.csv", "\n".join(rows[:15]) + "\n")
    run_recipe(value, tmp_path / "grown")
    write(tmp_path / "t.csv", "\n".join(rows) + "\n")
    grown = run_recipe(value, tmp_path / "grown", "local").out / "features" / "note.arrow"
    assert grown.read_bytes() == once.read_bytes()


@pytest.mark.parametrize(
    ("train", "pool", "told"),
    [
        (
            {"inputs": {"note": {"feature": True, "encoder": "mlp"}}},
            "none",
            r"train.inputs.note.encoder: features.word_vectors gives sequences \(pool: none\) here,"
            " which mlp does not read; wanted sequence_mean, sequence_linear",
        ),
        (
            {"inputs": {"note": {"feature": True, "encoder": "sequence_lstm"}}},
            "mean",
            "gives one vector a record here, which sequence_lstm does not read; wanted mlp, linear",
        ),
        ({"buckets": {"note": [3]}}, "mean", "gives one vector a record, which has no length"),
    ],
)
def test_an_encoder_of_the_other_kind_is_told_before_anything_is_read(
    train: dict[str, Any], pool: str, told: str, tmp_path: Path, run_recipe: Callable[..., Result]
) -> None:
    with pytest.raises(RecipeError, match=told):
        run_recipe(recipe_of(tmp_path, None, pool, **train))


def test_reduced_features_are_of_one_vector(
    tmp_path: Path, run_recipe: Callable[..., Result]
) -> None:
    value = recipe_of(tmp_path, None)
    inner = value["features"]["note"]
    value["features"] = {"note": {"features.reduced": {"of": inner, "rank": 2}}}
    with pytest.raises(RecipeError, match="features.word_vectors gives sequences here"):
        run_recipe(value)


@pytest.mark.parametrize(("reduce", "rank"), [("pca", 2), ("lda", 1)])
def test_each_vector_of_a_sequence_is_reduced_along_axes_of_the_training_split(
    reduce: str, rank: int, tmp_path: Path, run_recipe: Callable[..., Result]
) -> None:
    inputs = {"note": {"feature": True, "encoder": "sequence_lstm", "reduce": reduce, "rank": rank}}
    result = run_recipe(recipe_of(tmp_path, None, inputs=inputs, epochs=1))
    saved = checkpoint.load(result.out / "training" / "best.pt")
    encoder = saved.model.encoders["note"]
    stream = saved.inputs.open(tmp_path / "out" / "shards", "train")
    vectors = torch.cat([batch.parts["note"][batch.mask("note")].float() for batch in stream])
    assert torch.allclose(encoder.mean_F, vectors.mean(0), atol=1e-5)
    found = encoder.standard(vectors)
    assert found.shape[1] == rank
    assert torch.allclose(found.std(0, correction=0), torch.ones(rank), atol=1e-3)


def test_commands_that_compare_one_vector_a_record_take_the_mean_and_say_so(
    tmp_path: Path,
) -> None:
    value = recipe_of(tmp_path, None, count=60)
    del value["train"]
    mm.run(value, out=tmp_path / "out", engine="serial", quiet=True)
    done = here("labels", tmp_path / "out", "--target", "answer")
    assert done.returncode == 0, done.stderr
    assert "features of 'note' are sequences" in " ".join(done.stdout.split())


def test_a_cache_that_grows_counts_what_was_cut_of_all(
    tmp_path: Path, run_recipe: Callable[..., Result]
) -> None:
    """None is cut at first, then one of four; runs after that go on."""
    value = recipe_of(tmp_path, "sequence_lstm", count=1)
    del value["train"]
    value["features"]["note"]["features.word_vectors"]["longest"] = 5
    path = write(tmp_path / "r.json", json.dumps(value))
    for texts in (
        ["up of", "down"],
        ["up of", "down", "pad", "up " * 9],
        ["up", "up of", "up " * 9],
    ):
        rows = [f"{number},{text},x" for number, text in enumerate(texts)]
        write(tmp_path / "t.csv", "\n".join(["id,note,answer", *rows]) + "\n")
        done = here("run", path, "--out", tmp_path / "out", "--engine", "serial")
        assert done.returncode == 0, done.stderr
        told = f"1 of {len(texts)} sequences are longer than longest: 5"
        assert (told in " ".join(done.stderr.split())) == (len(texts) > 2), texts
