"""Models of cached features answer raw files and words: the extractor of the training makes their
vectors.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import yaml
from commands import here
from modalmill.pipeline.plan import make_plan
from modalmill.pipeline.run import run
from modalmill.schemas.errors import InputError
from modalmill.schemas.recipe import parse_recipe
from modalmill.stages.features.onnx import Onnx
from modalmill.stages.train.use.explain import explain
from modalmill.stages.train.use.predict import Predictor
from tiny import csv_source, jpeg, mp4, recipe, wav, write

onnx = pytest.importorskip("onnx", reason="the extra export is not installed")
pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")


def network(path: Path, stride: int) -> None:
    """Mean colours of the squares of a grid."""
    from onnx import TensorProto, helper

    square = [stride, stride]
    nodes = [
        helper.make_node("AveragePool", ["x"], ["p"], kernel_shape=square, strides=square),
        helper.make_node("Flatten", ["p"], ["y"]),
    ]
    x, y = ("x", ["N", 3, 32, 32]), ("y", ["N", None])
    given, made = (
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)] for name, shape in (x, y)
    )
    graph = helper.make_graph(nodes, "grid", given, made)
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One short training on features of all four modalities, an image's by a network."""
    root = tmp_path_factory.mktemp("given")
    network(root / "net.onnx", 8)
    lines = ["id,question,answer"]
    for number in range(24):
        write(root / "img" / f"{number}.jpg", jpeg(40, 56, number))
        write(root / "snd" / f"{number}.wav", wav(200.0 + 20 * number))
        lines.append(
            f"{number},{'is it' if number % 3 else 'is it not'} number"
            f" {number % 5}?,{'yes' if number % 2 else 'no'}"
        )
    write(root / "vid" / "0.mp4", mp4())
    write(root / "t.csv", "\n".join(lines))
    media = {
        "image": {"path": "img/{id}.jpg"},
        "audio": {"path": "snd/{id}.wav"},
        "video": {"path": "vid/0.mp4"},
    }
    source = csv_source("question", targets=["answer"], media=media)
    features = {
        "image": {"features.onnx": {"model": str(root / "net.onnx")}},
        "question": {"features.text": {"size": 64}},
        "audio": "features.audio",
        "video": {"features.video": {"frames": 4}},
    }
    section = {
        "target": "answer",
        "inputs": {name: {"feature": True} for name in features},
        "fusion": "concat",
        "width": 16,
        "epochs": 2,
        "device": "cpu",
        "checks": False,
    }
    stages = [{"align.split": {"shares": {"train": 0.7, "test": 0.3}}}]
    value = recipe(root, {"t": source}, stages, features=features, shard={}, train=section)
    run(make_plan(parse_recipe(value), root), root / "out", "serial")
    return root


def given_of(root: Path, number: str) -> dict[str, str]:
    texts = dict(line.split(",")[:2] for line in (root / "t.csv").read_text().splitlines()[1:])
    media = {
        "image": root / "img" / f"{number}.jpg",
        "audio": root / "snd" / f"{number}.wav",
        "video": root / "vid" / "0.mp4",
    }
    return {"text": texts[number], **{name: str(path) for name, path in media.items()}}


def test_raw_files_are_answered_as_the_shards_are(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    predictor = Predictor(trained / "out" / "training" / "best.pt")
    known = {
        one["key"].rpartition("-")[2]: one for one in predictor.shards(trained / "out", "test")
    }
    assert len(known) > 3
    for number, row in known.items():
        one = predictor.one(given_of(trained, number))
        assert one["used"] == row["used"] == ["image", "question", "audio", "video"]
        assert [
            (a["answer"], pytest.approx(a["probability"], abs=1e-5)) for a in one["answers"]
        ] == [(a["answer"], a["probability"]) for a in row["answers"]]
    number, row = next(iter(known.items()))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link.jpg").symlink_to(trained / "img" / f"{number}.jpg")
    assert predictor.one({"image": "link.jpg"}) == predictor.one(
        {"image": str(trained / "img" / f"{number}.jpg")}
    )


def test_a_table_of_them_too_and_what_is_broken_is_told(trained: Path, tmp_path: Path) -> None:
    for name, path in (("1.jpg", "img/1.jpg"), ("1.wav", "snd/1.wav")):
        write(tmp_path / name, (trained / path).read_bytes())
    write(tmp_path / "bad.jpg", (trained / "img" / "1.jpg").read_bytes()[:-200])
    write(
        tmp_path / "q.csv",
        "key,image,audio,question\na,1.jpg,1.wav,is it number 1?\nb,bad.jpg,,is it\nc,none.jpg,,\n",
    )
    best = trained / "out" / "training" / "best.pt"
    done = here("predict", best, "--csv", tmp_path / "q.csv", "--json")
    assert done.returncode == 0, done.stderr
    a, b, c = (json.loads(line) for line in done.stdout.splitlines())
    assert a["used"] == ["image", "question", "audio"]
    assert b["used"] == ["question"]
    assert "does not decode to its end" in b["damaged"]["image"]
    assert c["used"] == []
    assert c["damaged"] == {"image": "there is no such file"}


def test_an_explanation_of_features(trained: Path) -> None:
    report = explain(trained / "out" / "training" / "best.pt", given_of(trained, "1")).report
    assert sum(report["worth"].values()) + report["without_anything"] == pytest.approx(
        report["answers"][0]["probability"], abs=1e-5
    )
    assert {len(entry["values"]) for entry in report["carried"].values()} == {1}
    assert report["maps"] == {}


def test_words_are_no_paths_and_numbers_that_a_cache_cannot_hold_are_no_answer(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    predictor = Predictor(trained / "out" / "training" / "best.pt")
    (tmp_path / "loop").symlink_to("loop")
    monkeypatch.chdir(tmp_path)
    for words in ("loop/x", "nothing\x00here"):
        assert predictor.one({"text": words})["used"] == ["question"]
    assert predictor.one({"text": ""})["used"] == []
    monkeypatch.setattr(Onnx, "extract", lambda self, data: np.full(self.dims(), 1e6, np.float32))
    with pytest.raises(InputError, match="beyond the 65,504 of float16"):
        predictor.one({"image": str(trained / "img" / "1.jpg")})


def test_features_of_an_older_version_are_told(trained: Path) -> None:
    predictor = Predictor(trained / "out" / "training" / "best.pt")
    inputs = predictor.saved.inputs
    caches = {**inputs.caches, "question": replace(inputs.caches["question"], options=None)}
    predictor.saved.inputs = replace(inputs, caches=caches)
    with pytest.raises(
        InputError, match="question: the model was trained on features of an older version"
    ):
        predictor.one({"text": "is it"})


def test_a_network_that_has_moved_is_no_other_run(trained: Path, tmp_path: Path) -> None:
    shutil.copytree(trained, tmp_path / "all")
    (tmp_path / "all" / "net.onnx").rename(tmp_path / "all" / "moved.onnx")
    value = yaml.safe_load((trained / "out" / "recipe.yaml").read_text())
    value["features"]["image"]["features.onnx"]["model"] = str(tmp_path / "all" / "moved.onnx")
    before = (tmp_path / "all" / "out" / "training" / "best.pt").read_bytes()
    run(make_plan(parse_recipe(value), trained), tmp_path / "all" / "out", "serial")
    assert (tmp_path / "all" / "out" / "training" / "best.pt").read_bytes() == before
    assert not (tmp_path / "all" / "out" / "training" / "before").exists()


def test_a_network_that_is_another_one_or_gone_is_told(trained: Path) -> None:
    """Last: it moves the network away."""
    best, given = (
        trained / "out" / "training" / "best.pt",
        {"image": str(trained / "img" / "1.jpg")},
    )
    aside = (trained / "net.onnx").rename(trained / "aside.onnx")
    with pytest.raises(
        InputError,
        match=r"image: the model reads features by features\.onnx, which cannot be made here: "
        r"model: .* cannot be read",
    ):
        Predictor(best).one(given)
    network(trained / "net.onnx", 16)
    with pytest.raises(
        InputError, match="the network it loads, is not that of the training; predict from --shards"
    ):
        Predictor(best).one(given)
    aside.replace(trained / "net.onnx")
    assert Predictor(best).one(given)["used"] == ["image"]


def test_a_sound_that_is_no_sound_is_damage(trained: Path, tmp_path: Path) -> None:
    predictor = Predictor(trained / "out" / "training" / "best.pt")
    for samples, told in (
        (np.full(8000, np.nan), "no finite numbers"),
        (np.zeros(0), "no samples"),
    ):
        soundfile.write(tmp_path / "x.wav", samples, 16_000, subtype="FLOAT")
        with pytest.raises(InputError, match=told):
            predictor.one({"audio": str(tmp_path / "x.wav")})
