"""Networks as ONNX files: made here, with answers by hand and by the reference evaluator of the
standard.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

onnx = pytest.importorskip("onnx", reason="the extra export is not installed")
pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")

from modalmill.pipeline.run import Result  # noqa: E402
from modalmill.schemas.errors import DamageError, InputError  # noqa: E402
from modalmill.schemas.features import FeatureCache  # noqa: E402
from modalmill.stages.base import Extractor, make  # noqa: E402
from modalmill.stages.features.onnx import Onnx  # noqa: E402
from onnx import TensorProto, helper, numpy_helper  # noqa: E402
from onnx.reference import ReferenceEvaluator  # noqa: E402
from tiny import jpeg, picture, recipe, tone, wav, write  # noqa: E402

PLAIN = {"mean": [0.0, 0.0, 0.0], "std": [1.0, 1.0, 1.0]}


def network(
    path: Path,
    op: str,
    shape: list[Any],
    weights: np.ndarray | None = None,
    inputs: int = 1,
    **attributes: Any,
) -> str:
    """A network of one operation."""
    names = [f"x{number}" for number in range(inputs)]
    constants = [] if weights is None else [numpy_helper.from_array(weights, "w")]
    node = helper.make_node(
        op, [*names, *(constant.name for constant in constants)], ["y"], **attributes
    )
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in names]
    graph = helper.make_graph(
        [node],
        "one",
        values,
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        constants,
    )
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path
    )
    return str(path)


@pytest.mark.parametrize(
    ("op", "shape"),
    [
        ("GlobalAveragePool", ["N", 3, "H", "W"]),
        ("Identity", ["N", 3, "H", "W"]),
        ("Identity", ["N", "H", "W", 3]),
    ],
)
def test_the_mean_of_a_plain_picture_is_its_normalised_colour(
    op: str, shape: list[Any], tmp_path: Path
) -> None:
    """A vector and maps in either layout come to the same."""
    extractor = Onnx(model=network(tmp_path / "n.onnx", op, shape))
    colour = np.array([200, 100, 50], np.uint8)
    wanted = (colour / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    assert extractor.dims() == 3
    np.testing.assert_allclose(extractor.extract(np.full((90, 70, 3), colour)), wanted, rtol=1e-3)


def test_the_middle_is_cut_out_or_both_sides_are_scaled(tmp_path: Path) -> None:
    model = network(tmp_path / "n.onnx", "Identity", ["N", 3, "H", "W"])
    wide = np.zeros((32, 96, 3), np.uint8)
    wide[:, 32:64] = 255  # the middle third
    cut, whole = (
        Onnx(model=model, size=32, crop=crop, **PLAIN).extract(wide)
        for crop in ("center", "squash")
    )  # type: ignore[arg-type]
    np.testing.assert_allclose(cut, 1, atol=1e-6)
    np.testing.assert_allclose(whole, 1 / 3, atol=0.02)


def test_frames_are_averaged_and_sound_is_heard_whole(tmp_path: Path) -> None:
    frames = np.stack([np.full((40, 40, 3), value, np.uint8) for value in (0, 51, 255)])
    seen = Onnx(
        model=network(tmp_path / "v.onnx", "GlobalAveragePool", ["N", 3, "H", "W"]),
        of="video",
        frames=3,
        **PLAIN,
    )  # type: ignore[arg-type]
    np.testing.assert_allclose(seen.extract(frames), [0.4] * 3, atol=1e-4)
    heard = Onnx(
        model=network(tmp_path / "a.onnx", "ReduceL1", ["N", "T"], axes=[1], keepdims=1),
        of="audio",
        rate_hz=8000,
    )
    np.testing.assert_allclose(heard.extract(tone()), [np.abs(tone()).sum()], rtol=1e-4)


def test_places_of_a_picture_come_row_by_row_and_frames_of_a_film_one_by_one(
    tmp_path: Path,
) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (4, 4, 3), np.uint8)
    for shape in (["N", 3, "H", "W"], ["N", "H", "W", 3]):
        model = network(tmp_path / "n.onnx", "Identity", shape)
        seen = Onnx(model=model, size=4, pool="none", **PLAIN)  # type: ignore[arg-type]
        assert seen.dims() == 3
        np.testing.assert_allclose(seen.extract(pixels), pixels.reshape(16, 3) / 255, atol=1e-6)
    film = np.stack([pixels, 255 - pixels])
    options = {"model": model, "size": 4, "of": "video", **PLAIN}
    found = Onnx(**options, pool="none").extract(film)  # type: ignore[arg-type]
    np.testing.assert_allclose(found, film.mean((1, 2)) / 255, atol=1e-6)
    one = network(tmp_path / "one.onnx", "Flatten", ["N", 3, "H", "W"])
    with pytest.raises(ValueError, match="gives one vector for each image, and no places"):
        Onnx(model=one, size=4, pool="none")


def test_what_grows_with_a_sound_is_averaged_wherever_it_lies(tmp_path: Path) -> None:
    """Channels before time, as networks of torch give them, and channels after; the same numbers
    for sounds of all lengths.
    """
    loud, quiet = tone(seconds=0.5), tone(seconds=1.3)
    pooled = []
    for name, op, more in (("ct", "Identity", {}), ("tc", "Transpose", {"perm": [0, 2, 1]})):
        nodes = [
            helper.make_node("Unsqueeze", ["x", "one"], ["u"]),
            helper.make_node("Conv", ["u", "w"], ["c"], strides=[80]),
            helper.make_node(op, ["c"], ["y"], **more),
        ]
        weights = np.random.default_rng(0).normal(0, 1, (5, 1, 80)).astype(np.float32)
        constants = [
            numpy_helper.from_array(weights, "w"),
            numpy_helper.from_array(np.array([1]), "one"),
        ]
        given, made = (
            helper.make_tensor_value_info(*one)
            for one in (("x", TensorProto.FLOAT, ["N", "T"]), ("y", TensorProto.FLOAT, None))
        )
        graph = helper.make_graph(nodes, name, [given], [made], constants)
        onnx.save(
            helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9),
            tmp_path / f"{name}.onnx",
        )
        extractor = Onnx(model=str(tmp_path / f"{name}.onnx"), of="audio", rate_hz=8000)
        assert extractor.dims() == 5
        pooled.append([extractor.extract(sound) for sound in (loud, quiet)])
        frames = loud.reshape(-1, 80) @ weights[:, 0].T
        np.testing.assert_allclose(pooled[-1][0], frames.mean(0), atol=1e-4)
        in_order = Onnx(model=str(tmp_path / f"{name}.onnx"), of="audio", rate_hz=8000, pool="none")
        np.testing.assert_allclose(in_order.extract(loud), frames, atol=1e-4)
        with pytest.raises(DamageError, match="cannot take it"):
            extractor.extract(tone(seconds=0.005))  # shorter than a window
    np.testing.assert_allclose(pooled[0], pooled[1], atol=1e-5)


def test_a_sound_that_the_network_refuses_is_told_and_the_others_go_on(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Unsqueeze", ["x", "one"], ["u"]),
        helper.make_node("Conv", ["u", "w"], ["y"]),
    ]
    constants = [
        numpy_helper.from_array(np.ones((2, 1, 800), np.float32), "w"),
        numpy_helper.from_array(np.array([1]), "one"),
    ]
    given, made = (
        helper.make_tensor_value_info(*one)
        for one in (("x", TensorProto.FLOAT, ["N", "T"]), ("y", TensorProto.FLOAT, None))
    )
    graph = helper.make_graph(nodes, "g", [given], [made], constants)
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9),
        tmp_path / "n.onnx",
    )
    for number, seconds in enumerate((0.5, 0.02, 1.0)):
        write(tmp_path / "snd" / f"{number}.wav", wav(440.0, seconds))
    source = {"type": "audio_folder", "path": "snd", "id": "{stem}"}
    value = recipe(
        tmp_path,
        {"s": source},
        features={
            "audio": {
                "features.onnx": {"model": str(tmp_path / "n.onnx"), "of": "audio", "rate_hz": 8000}
            }
        },
    )
    write(tmp_path / "r.yaml", yaml.safe_dump(value))
    words = [
        "run",
        str(tmp_path / "r.yaml"),
        "--out",
        str(tmp_path / "out"),
        "--until",
        "features",
        "--workers",
        "1",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "modalmill", *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert (
        "features: 1 of 3 records have no features.onnx of audio (1 network_refuses); the first: "
        in done.stderr
    )
    cache = FeatureCache(tmp_path / "out" / "features", "audio")
    assert cache.vectors.shape == (2, 2)


def test_a_sound_is_cut_or_filled_up_to_a_fixed_length(tmp_path: Path) -> None:
    heard = Onnx(
        model=network(tmp_path / "a.onnx", "Identity", ["N", 1000]), of="audio", rate_hz=8000
    )
    np.testing.assert_array_equal(heard.extract(tone()), tone()[:1000])
    np.testing.assert_array_equal(heard.extract(tone()[:300]), np.pad(tone()[:300], (0, 700)))


def test_axes_without_numbers_are_channels_first_and_axes_may_be_named(tmp_path: Path) -> None:
    model = network(tmp_path / "n.onnx", "Identity", ["batch", "channels", "height", "width"])
    grid = Onnx(model=model, size=2, average=(1,), **PLAIN)  # type: ignore[arg-type]
    assert grid.dims() == 4
    np.testing.assert_allclose(
        grid.extract(np.full((8, 8, 3), (51, 102, 153), np.uint8)), [0.4] * 4, atol=1e-6
    )


def test_weights_in_a_file_beside_it_belong_to_it(tmp_path: Path) -> None:
    found = []
    for seed in (0, 1):
        weights = np.random.default_rng(seed).normal(0, 1, (8, 3, 4, 4)).astype(np.float32)
        network(tmp_path / "a.onnx", "Conv", ["N", 3, "H", "W"], weights)
        onnx.save(
            onnx.load(tmp_path / "a.onnx"),
            tmp_path / "n.onnx",
            save_as_external_data=True,
            location="weights.bin",
            size_threshold=0,
        )
        extractor = Onnx(model=str(tmp_path / "n.onnx"))
        found.append((extractor.identity(), extractor.extract(picture()).tolist()))
        (tmp_path / "weights.bin").rename(tmp_path / f"{seed}.bin")
    assert found[0][0] != found[1][0]
    assert found[0][1] != found[1][1]


@pytest.mark.parametrize(
    ("op", "told"), [("Log", "numbers are not finite"), ("Exp", "beyond the 65,504 of float16")]
)
def test_numbers_that_a_cache_cannot_hold_are_told(
    op: str, told: str, tmp_path: Path, run_recipe: Callable[..., Result]
) -> None:
    write(tmp_path / "images" / "1.jpg", jpeg())
    options = {
        "model": network(tmp_path / "n.onnx", op, ["N", 3, "H", "W"]),
        "std": [0.001] * 3,
        "size": 8,
    }
    source = {"type": "image_folder", "path": "images", "id": "{stem}"}
    with pytest.raises(
        InputError, match=rf"features by features.onnx of image:images/1.jpg: .*{told}"
    ):
        run_recipe(
            recipe(tmp_path, {"p": source}, features={"image": {"features.onnx": options}}),
            until="features",
        )


def test_a_recipe_caches_what_the_reference_says_until_the_weights_change(
    tmp_path: Path, run_recipe: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that moves is the same network; other weights in it are another one."""
    for number in range(5):
        write(tmp_path / "images" / f"{number}.jpg", jpeg(32, 32, number))
    random = np.random.default_rng(0)
    weights = [random.normal(0, 0.1, (5, 3, 4, 4)).astype(np.float32) for _ in range(2)]
    shape, where = ["N", 3, 32, 32], tmp_path / "a.onnx"

    def vectors(model: Path) -> np.ndarray:
        source = {"type": "image_folder", "path": "images", "id": "{stem}"}
        run_recipe(
            recipe(
                tmp_path,
                {"p": source},
                features={"image": {"features.onnx": {"model": str(model), **PLAIN}}},
            ),
            until="features",
        )
        return np.array(FeatureCache(tmp_path / "out" / "features", "image").vectors)

    network(where, "Conv", shape, weights[0], strides=[4, 4])
    first = vectors(where)
    reference = ReferenceEvaluator(str(where))
    seen = Onnx(model=str(where), **PLAIN)  # type: ignore[arg-type]
    wanted = reference.run(
        None, {"x0": picture(32, 32, 3).transpose(2, 0, 1)[None].astype(np.float32) / 255}
    )[0][0].mean((1, 2))
    np.testing.assert_allclose(seen.extract(picture(32, 32, 3)), wanted, atol=1e-5)
    assert first.shape == (5, 5)
    assert np.abs(first.astype(np.float32) - wanted).sum(1).min() < 0.05, (
        "one of them is this picture, but for its JPEG"
    )

    where.rename(tmp_path / "b.onnx")
    with monkeypatch.context() as patched:
        patched.delattr(Onnx, "extract")  # nothing is extracted
        assert (vectors(tmp_path / "b.onnx") == first).all()
    options = FeatureCache(tmp_path / "out" / "features", "image").made_by.options
    assert options is not None
    assert options["model"] == str(tmp_path / "b.onnx")
    network(tmp_path / "b.onnx", "Conv", shape, weights[1], strides=[4, 4])
    assert not (vectors(tmp_path / "b.onnx") == first).any(1).all()


@pytest.mark.parametrize(
    ("made", "options", "told"),
    [
        (
            None,
            {},
            "cannot be read: No such file or directory; the path is from where the command is"
            " given",
        ),
        ("broken", {}, "is no network that ONNX Runtime can load"),
        (["N", 3, 32, 32], {"size": 64}, "wants pictures of 32 x 32, found 64"),
        (["N", 3, 32, 48], {}, "wants pictures of 32 x 48, found no square"),
        (["N", 3, "H", "W"], {"output": "z"}, "has no output 'z'; its outputs are y"),
        (
            ["N", 3, "H", "W"],
            {"of": "audio"},
            r"wanted one input \[N, T\] of float16, float32 or float64 for audio",
        ),
        (["N", 3, "H", "W"], {"frames": 0}, "frames: wanted at least 1, found 0"),
        (
            ["N", 3, "H", "W"],
            {"average": [4]},
            r"average: wanted axes from 1 to 3, of an output \[1, 3, 224, 224\], found \[4\]",
        ),
        (["N", 3, "H", "W"], {"mean": [float("nan"), 0, 0]}, "mean, std: wanted finite numbers"),
        ([4, 3, "H", "W"], {}, r"wanted one input \[N, 3, H, W\]"),
        (["N", 1, "H", "W"], {}, r"wanted one input \[N, 3, H, W\] or \[N, H, W, 3\]"),
        (["N", 3, "H", "W"], {"std": [1, 0, 1]}, "std: wanted finite numbers, and std above 0"),
    ],
)
def test_what_is_no_network_for_it_is_told_with_the_recipe(
    made: Any, options: dict[str, Any], told: str, tmp_path: Path
) -> None:
    path = tmp_path / "n.onnx"
    if made == "broken":
        path.write_bytes(b"no protobuf")
    elif made is not None:
        network(path, "Identity", made)
    found, problems = make(
        "features.onnx", Extractor, {"model": str(path), **options}, "features.image"
    )
    assert found is None
    assert len(problems) == 1
    assert re.search(told, problems[0]), problems
    assert problems[0].startswith("features.image")


def test_a_network_of_two_inputs_or_one_that_fails_is_told(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="wanted one input"):
        Onnx(model=network(tmp_path / "two.onnx", "Add", ["N", 3, "H", "W"], inputs=2))
    weights = np.zeros((4, 3, 64, 64), np.float32)
    with pytest.raises(ValueError, match="fails on a blank image"):
        Onnx(model=network(tmp_path / "big.onnx", "Conv", ["N", 3, "H", "W"], weights), size=32)
