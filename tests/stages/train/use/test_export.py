"""Every export is compared with the model for every subset."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from campaign import also, fusions
from commands import alone, here
from modalmill.schemas.errors import InputError
from modalmill.schemas.features import FeatureNote
from modalmill.stages.train.data.inputs import Inputs
from modalmill.stages.train.evaluation.evaluate import evaluate
from modalmill.stages.train.methods.fusions import FUSIONS
from modalmill.stages.train.model import checkpoint
from modalmill.stages.train.model.model import FusionModel
from modalmill.stages.train.model.objectives.classification import Classification
from modalmill.stages.train.model.with_losses import WithLosses
from modalmill.stages.train.options import InputOptions, TrainOptions
from modalmill.stages.train.use.export import export
from modalmill.stages.train.use.onnx_pt2 import Exportable


def checkpoint_of(
    path: Path, fusion: Any, encoder: str | None = None, longest: int | None = None
) -> Path:
    """A model of a text and a vector as it is before training; of sequences of at most ``longest``
    vectors in its place.
    """
    torch.manual_seed(0)
    options = TrainOptions(
        target="y",
        inputs={"note": InputOptions(length=5), "v": InputOptions(feature=True, encoder=encoder)},
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
        {"v": FeatureNote(dims=6, longest=longest)},
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


@pytest.mark.parametrize(
    ("encoder", "length"),
    [("sequence_mean", "length"), ("sequence_transformer", "length"), ("sequence_lstm", 12)],
)
def test_sequences_of_any_length_go_through_one_graph_and_through_an_lstm_those_of_one(
    encoder: str, length: str | int, tmp_path: Path
) -> None:
    path = checkpoint_of(tmp_path / "m.pt", "attention", encoder, 12)
    report = export(path, tmp_path / "m.onnx")
    assert report["furthest_from_model"] < 1e-5
    assert report["inputs"]["v"] == {"shape": ["batch", length, 6], "type": "float32"}
    session = onnxruntime.InferenceSession(str(tmp_path / "m.onnx"))
    feed = {
        "note": np.full((2, 5), 2),
        "v": np.random.default_rng(0).normal(size=(2, 12, 6)).astype(np.float32),
        "note_length": np.full(2, 3),
        "v_length": np.array([4, 7]),
        "present": np.ones((2, 2), bool),
    }
    (found,) = session.run(None, feed)
    feed["v"][0, 4:], feed["v"][1, 7:] = 9, -9
    np.testing.assert_allclose(session.run(None, feed)[0], found, atol=1e-6)
    if length == "length":
        np.testing.assert_allclose(
            session.run(None, {**feed, "v": feed["v"][:, :7]})[0], found, atol=1e-6
        )


def test_an_lstm_of_too_many_steps_is_refused(tmp_path: Path) -> None:
    path = checkpoint_of(tmp_path / "m.pt", "attention", "sequence_lstm", 1500)
    with pytest.raises(InputError, match=r"v: its LSTM .* may have 1,500 of them; wanted at most"):
        export(path, tmp_path / "m.pt2")
