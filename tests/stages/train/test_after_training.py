"""What is done with a trained model: exported, pruned, explained. Every export is compared with the
model for every subset.
"""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
import yaml
from campaign import also, fusions
from commands import alone, here
from modalmill.pipeline.plan import make_plan
from modalmill.pipeline.progress import Progress
from modalmill.pipeline.run import run
from modalmill.schemas.errors import InputError
from modalmill.schemas.features import FeatureNote
from modalmill.schemas.recipe import parse_recipe
from modalmill.stages.modalities.text.words import words
from modalmill.stages.train.data.inputs import Inputs
from modalmill.stages.train.evaluation.evaluate import evaluate
from modalmill.stages.train.evaluation.retrieval import ranks_of
from modalmill.stages.train.loop.loop import train
from modalmill.stages.train.methods.fusions import FUSIONS
from modalmill.stages.train.model import checkpoint
from modalmill.stages.train.model.fusion._contrast import pairs_term
from modalmill.stages.train.model.fusion.common_space import CommonSpaceFusion
from modalmill.stages.train.model.model import FusionModel
from modalmill.stages.train.model.objectives.classification import Classification
from modalmill.stages.train.model.with_losses import WithLosses
from modalmill.stages.train.options import InputOptions, TrainOptions
from modalmill.stages.train.use.explain import explain, integrated_gradients
from modalmill.stages.train.use.export import export
from modalmill.stages.train.use.feature_maps import feature_maps
from modalmill.stages.train.use.onnx_pt2 import Exportable
from modalmill.stages.train.use.predict import Predictor
from modalmill.stages.train.use.pruning import prune
from PIL import Image
from taught import TRAIN, corpus
from tiny import picture, recipe, write


def checkpoint_of(path: Path, fusion: Any) -> Path:
    """A model of a text and a vector as it is before training."""
    torch.manual_seed(0)
    options = TrainOptions(
        target="y",
        inputs={"note": InputOptions(length=5), "v": InputOptions(feature=True)},
        fusion=fusion,
        width=16,
        hidden=16,
    )
    vocabulary = {word: number + 2 for number, word in enumerate(("up", "down", "it"))}
    objective = Classification("y", ["a", "b", "c"], [3, 2, 1])
    inputs = Inputs(
        options,
        {"note": "text", "v": "image"},
        {"note": {"vocabulary": vocabulary}},
        {"v": FeatureNote(dims=6)},
    )
    model = FusionModel(inputs, 3)
    path.parent.mkdir(parents=True, exist_ok=True)
    header = checkpoint.CheckpointHeader.of(inputs, objective)
    checkpoint.save(path, header, WithLosses(model, torch.nn.ModuleDict()), {})
    return path


@pytest.mark.parametrize("fusion", fusions(FUSIONS))
def test_every_fusion_is_one_exported_graph_for_all_subsets(fusion: str, tmp_path: Path) -> None:
    report = export(checkpoint_of(tmp_path / "m.pt", fusion), tmp_path / "m.pt2")
    assert report["subsets_compared"] == 4
    assert report["furthest_from_model"] < 1e-5


@pytest.mark.parametrize("fusion", also(["opinion_pool", "matching"], ["attention"]))
def test_onnxruntime_agrees_for_all_subsets_and_any_number_of_rows(
    fusion: str, tmp_path: Path
) -> None:
    path = checkpoint_of(tmp_path / "m.pt", fusion)
    report = export(path, tmp_path / "m.onnx")
    assert report["furthest_from_model"] < 1e-5
    session = onnxruntime.InferenceSession(str(tmp_path / "m.onnx"))
    assert {one.name for one in session.get_inputs()} == {"note", "v", "note_length", "present"}
    whole = Exportable(checkpoint.load(path))
    rows = 7
    feed = {
        "note": np.full((rows, 5), 2),
        "v": np.full((rows, 6), np.nan, np.float32),
        "note_length": np.full(rows, 3),
        "present": np.array([[True, False]] * rows),
    }
    (found,) = session.run(None, feed)
    assert found.shape == (rows, 3)
    assert np.isfinite(found).all(), "what stands in an absent part does not matter"
    with torch.no_grad():
        wanted = whole(*(torch.from_numpy(feed[name]) for name in whole.inputs))
    assert np.abs(found - wanted.numpy()).max() < 1e-5
    about = json.loads((tmp_path / "m.onnx.json").read_text())
    assert about["answers"] == ["a", "b", "c"]
    assert about["fitted"]["note"]["vocabulary"]["up"] == 2
    assert about["inputs"]["note"] == {"shape": ["batch", 5], "type": "int64"}


def test_a_trained_model_is_exported_by_the_command_line(trained: Path, tmp_path: Path) -> None:
    best = trained / "out" / "training" / "best.pt"
    done = alone("export", best, tmp_path / "m.onnx", "--int8", "--sparsity", "0.5")
    assert done.returncode == 0, done.stderr
    assert "compared with the model for 4 subsets" in done.stdout
    about = json.loads((tmp_path / "m.onnx.json").read_text())
    assert about["sparsity"] >= 0.5
    plain = export(best, tmp_path / "plain.onnx", shards=trained / "out")
    wanted = evaluate(best, trained / "out")["subsets"]
    assert {name: cell["file"] for name, cell in plain["scores"]["subsets"].items()} == {
        name: cell["accuracy"] for name, cell in wanted.items()
    }
    assert about["bytes"] < 0.8 * plain["bytes"]
    assert not list(tmp_path.glob(".*"))
    for arguments, told in (
        ((best, tmp_path / "m.txt"), "wanted a name that ends in .onnx or .pt2"),
        ((best, tmp_path / "m.pt2", "--int8"), "int8 is for ONNX"),
        ((best, tmp_path / "m.pt2", "--split", "test"), "give --shards as well"),
        (
            (best, tmp_path / "m.pt2", "--shards", trained / "out", "--split", "tst"),
            "--split tst: no such split; did you mean 'test'",
        ),
        ((best, tmp_path / "m.pt2", "--sparsity", "1"), "wanted a share from 0 up to 1, found 1.0"),
    ):
        done = here("export", *arguments)
        assert done.returncode == 1
        assert told in done.stderr
        assert not (tmp_path / "m.pt2").exists()


@pytest.mark.parametrize("sparsity", [0.0, 0.3, 0.5, 0.9])
def test_pruning_is_exact_and_takes_the_smallest_weights(sparsity: float) -> None:
    torch.manual_seed(0)
    model = torch.nn.Sequential(
        torch.nn.Linear(30, 20), torch.nn.Conv1d(4, 6, 3), torch.nn.LSTM(5, 7)
    )
    weights = [weight for name, weight in model.named_parameters() if "weight" in name]
    before = torch.cat([weight.detach().abs().flatten() for weight in weights]).clone()
    biases = [
        weight.detach().clone() for name, weight in model.named_parameters() if "bias" in name
    ]
    assert prune(model, sparsity) == int(sparsity * len(before)) / len(before)
    after = torch.cat([weight.detach().abs().flatten() for weight in weights])
    if sparsity:
        assert before[after == 0].max() <= before[after > 0].min()
    assert all(
        torch.equal(a, b)
        for a, b in zip(
            biases,
            (weight for name, weight in model.named_parameters() if "bias" in name),
            strict=True,
        )
    )


def test_what_parts_are_worth_adds_up_to_the_answer(trained: Path) -> None:
    best = trained / "out" / "training" / "best.pt"
    given = {"image": str(trained / "img" / "1.jpg"), "text": "not bright"}
    report = explain(best, given).report
    top = report["answers"][0]
    assert report["explained"] == top["answer"] == "no"
    assert sum(report["worth"].values()) + report["without_anything"] == pytest.approx(
        top["probability"], abs=1e-5
    )
    assert report["carried"]["question"]["tokens"] == ["not", "bright"]
    assert len(report["carried"]["image"]["values"]) == len(report["attention"]["image"]) == 16
    assert 0 < sum(report["attention"]["image"]) + sum(report["attention"]["question"]) < 1
    assert {layer: len(channels) for layer, channels in report["maps"]["image"].items()} == {
        "layers.0.0": 6,
        "layers.3": 6,
    }
    other = explain(best, given, answer="yes").report
    assert sum(other["worth"].values()) + other["without_anything"] == pytest.approx(
        1 - top["probability"], abs=1e-4
    )
    alone = explain(best, {"text": "not bright"}).report
    assert set(alone["worth"]) == {"question"}
    assert alone["missing"] == ["image"]
    with pytest.raises(
        InputError, match="--answer yess: the model has no such answer; did you mean 'yes'"
    ):
        explain(best, given, answer="yess")


def test_integrated_gradients_add_up_to_the_change_of_the_logit(trained: Path) -> None:
    """Completeness (Sundararajan et al. 2017): over all tokens, the logit minus that of blank
    tokens.
    """
    predictor = Predictor(trained / "out" / "training" / "best.pt")
    batch, _ = predictor.batch_of({"image": str(trained / "img" / "1.jpg"), "text": "bright"})
    model = predictor.saved.model
    with torch.no_grad():
        tokens, masks = model.encode(batch)
        gap = model.decide(tokens, masks, batch.present_BM) - model.decide(
            [0 * some for some in tokens], masks, batch.present_BM
        )
    carried = integrated_gradients(predictor, tokens, masks, batch.present_BM, 0)
    assert sum(float(some.sum()) for some in carried) == pytest.approx(
        float(gap[0, 0]), rel=0.02, abs=0.02
    )


def test_a_feature_map_is_what_its_filter_says(trained: Path) -> None:
    """A filter that lets red through alone gives the picture's red; filters of nothing are not
    shown before it.
    """
    predictor = Predictor(trained / "out" / "training" / "best.pt")
    batch, _ = predictor.batch_of({"image": str(trained / "img" / "1.jpg"), "text": "bright"})
    model = predictor.saved.model
    first = model.encoders["image"].layers[0][0]  # type: ignore[union-attr, index]  # the encoder 'cnn'
    with torch.no_grad():
        first.weight.zero_()
        first.bias.zero_()
        first.weight[7, 0, 1, 1] = 1
        batch.parts["image"][:] = torch.from_numpy(picture(*batch.parts["image"].shape[1:3]))
        before = model.encode(batch)[0][0]
    (found, _) = feature_maps(model, batch, "image", 3)
    assert (found.layer, found.channels[0]) == ("layers.0.0", 7)
    red = (batch.parts["image"][0, ::2, ::2, 0].numpy() / 255 - 0.485) / 0.229
    np.testing.assert_allclose(found.maps[0], red, atol=1e-5)
    assert torch.equal(model.encode(batch)[0][0], before), "watching leaves nothing behind"
    assert feature_maps(model, batch, "question", 3) == []


def test_an_explanation_is_one_picture(trained: Path, tmp_path: Path) -> None:
    best = trained / "out" / "training" / "best.pt"
    done = here(
        "explain",
        best,
        "--image",
        trained / "img" / "1.jpg",
        "--text",
        "bright",
        "--out",
        tmp_path / "deep" / "e.png",
    )
    assert done.returncode == 0, done.stderr
    assert "what each part adds" in done.stdout
    assert "bright(" in done.stdout
    with Image.open(tmp_path / "deep" / "e.png") as drawn:
        assert min(drawn.size) > 500
        assert len(np.unique(np.asarray(drawn.convert("RGB")).reshape(-1, 3), axis=0)) > 50


def test_ranks_by_hand() -> None:
    eye = torch.eye(5)
    assert ranks_of(eye, eye).tolist() == [0] * 5
    assert ranks_of(eye, eye.roll(1, 0)).tolist() == [3] * 5, (
        "one offer is more like it, and half of the three that are as unlike as its own count"
    )
    assert ranks_of(torch.ones(5, 3), torch.ones(5, 3)).tolist() == [2] * 5


def test_rotated_copies_of_one_signal_find_each_other() -> None:
    """Two parts that are one signal, one of them turned by an unknown rotation: in the common space
    each finds its partner first.
    """
    torch.manual_seed(0)
    rotation, _ = torch.linalg.qr(torch.randn(8, 8))
    fusion = CommonSpaceFusion(2, 8, 0.0)
    optimiser = torch.optim.Adam(fusion.parameters(), lr=0.01)
    both = torch.ones(128, 2, dtype=torch.bool)

    def embedded(rows: int) -> torch.Tensor:
        signal = torch.randn(rows, 8)
        return fusion.combine(
            torch.stack([signal, signal @ rotation], 1), both[:1].expand(rows, 2)
        )[1]["embeddings"]

    for _ in range(300):
        value, weight = pairs_term(embedded(128), both, 0.07, 1.0)
        optimiser.zero_grad()
        (value * weight).mean().backward()
        optimiser.step()
    with torch.no_grad():
        vectors = embedded(500)
    assert (ranks_of(vectors[:, 0], vectors[:, 1]) == 0).float().mean() > 0.97


def test_captions_are_learned_beside_the_answer_and_shown_by_predict(tmp_path: Path) -> None:
    source = corpus(tmp_path)
    rows = list(csv.DictReader(io.StringIO((tmp_path / "t.csv").read_text())))
    wanted = {}
    lines = ["id,question,answer,split,said"]
    for row in rows:
        bright = (row["answer"] == "yes") == (row["question"] == "bright")
        wanted[row["id"]] = (
            f"a {'bright' if bright else 'dark'} picture, asked if {row['question']}"
        )
        lines.append(
            f'{row["id"]},{row["question"]},{row["answer"]},{row["split"]},"{wanted[row["id"]]}"'
        )
    write(tmp_path / "t.csv", "\n".join(lines))
    section = {**TRAIN, "epochs": 16, "losses": [{"caption": {"target": "said", "weight": 1.0}}]}
    value = recipe(tmp_path, {"t": {**source, "targets": ["answer", "said"]}}, train=section)
    run(make_plan(parse_recipe(value), tmp_path), tmp_path / "out", "serial")
    done = here(
        "predict",
        tmp_path / "out" / "training" / "best.pt",
        "--shards",
        tmp_path / "out",
        "--split",
        "test",
        "--json",
    )
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()]
    right = [
        one["caption"] == " ".join(words(wanted[one["key"].rpartition("-")[2]])) for one in found
    ]
    assert np.mean(right) > 0.9, found[:3]
    report = evaluate(tmp_path / "out" / "training" / "best.pt", tmp_path / "out")["captions"]
    assert report["same"] == np.mean(right)
    assert report["bleu4"] >= report["same"]
    one = here(
        "predict",
        tmp_path / "out" / "training" / "best.pt",
        "--image",
        tmp_path / "img" / "1.jpg",
        "--text",
        "bright",
    )
    assert "a bright picture , asked if bright" in one.stdout
    for losses, told in (
        ([{"caption": {}}], "say which target holds the sentences"),
        (
            [{"caption": {"target": "sad"}}],
            "nothing before it gives a target called 'sad'; did you mean 'said'",
        ),
    ):
        (tmp_path / "r.yaml").write_text(
            yaml.safe_dump({**value, "train": {**section, "losses": losses}})
        )
        done = here("run", tmp_path / "r.yaml", "--out", tmp_path / "out")
        assert done.returncode != 0
        assert told in done.stderr


def test_features_of_another_extractor_are_refused(tmp_path: Path) -> None:
    """A model knows what made the vectors it was trained on; another size, or another fit, is no
    input for it.
    """
    lines = ["id,text,kind,split"]
    lines += [
        f"{number},{'big' if number % 2 else 'small'} thing"
        f" {number % 7},{number % 2},{'train' if number % 4 else 'test'}"
        for number in range(60)
    ]
    write(tmp_path / "t.csv", "\n".join(lines))
    source = {
        "type": "csv",
        "path": "t.csv",
        "id": "{id}",
        "text": {"text": "text"},
        "targets": ["kind"],
        "split": "{split}",
    }
    section = {
        "target": "kind",
        "inputs": {"text": {"feature": True}},
        "fusion": "mean",
        "width": 16,
        "epochs": 1,
        "device": "cpu",
        "checks": False,
    }

    def go(size: int, out: Path, **more: Any) -> list[str]:
        said: list[str] = []
        value = recipe(
            tmp_path, {"t": source}, features={"text": {"features.text": {"size": size}}}, **more
        )
        run(make_plan(parse_recipe(value), tmp_path), out, "serial", progress=Progress(quiet=True))
        if (out / "shards").exists():
            train(TrainOptions(**section), out / "shards", out / "training", 0, said.append)
        return said

    go(64, tmp_path / "one", shard={})
    go(32, tmp_path / "two", shard={})
    best = tmp_path / "one" / "training" / "best.pt"
    assert evaluate(best, tmp_path / "one")["records"] == 15
    exported = export(best, tmp_path / "m.onnx", shards=tmp_path / "one")["scores"]["subsets"]
    assert {name: cell["file"] for name, cell in exported.items()} == {
        name: cell["model"] for name, cell in exported.items()
    }
    with pytest.raises(
        InputError,
        match=r"these features of 'text' were not made as those the model was trained on"
        r".*\(32, not 64\)",
    ):
        evaluate(best, tmp_path / "two")
    other = torch.load(best, weights_only=True)
    about = json.loads(other["about"])
    about["caches"]["text"]["fit"] = "another"
    torch.save({**other, "about": json.dumps(about)}, tmp_path / "other.pt")
    said: list[str] = []
    train(
        TrainOptions(**section, start=str(tmp_path / "other.pt")),
        tmp_path / "one" / "shards",
        tmp_path / "t",
        0,
        said.append,
    )
    assert any(
        "the encoder of text begins anew: its cached features are of another extractor" in line
        for line in said
    )
    with pytest.raises(
        InputError, match="train a model that is to serve other corpora on the text itself"
    ):
        evaluate(tmp_path / "other.pt", tmp_path / "one")
    assert any(
        "the cached features of text have changed" in line
        for line in go(32, tmp_path / "one", shard={})
    )
    (tmp_path / "two" / "features").rename(tmp_path / "two" / "elsewhere")
    with pytest.raises(InputError, match="no cached features of 'text' here"):
        evaluate(best, tmp_path / "two")


def test_retrieval_by_the_command_line(trained: Path, tmp_path: Path) -> None:
    best = trained / "out" / "training" / "best.pt"
    done = here("retrieve", best, trained / "out")
    assert done.returncode == 1
    assert "makes no common space; train with fusion: common_space or matching" in done.stderr
    options = TrainOptions(**{**TRAIN, "fusion": "common_space", "epochs": 2})
    train(options, trained / "out" / "shards", tmp_path / "t", 0, lambda line: None)
    found = json.loads(
        here("retrieve", tmp_path / "t" / "best.pt", trained / "out", "--json").stdout
    )
    assert set(found["pairs"]) == {"image -> question", "question -> image"}
    cell = found["pairs"]["image -> question"]
    assert 0 <= cell["R@1"] <= cell["R@5"] <= cell["R@10"] <= 1
    assert cell["records"] == 20
