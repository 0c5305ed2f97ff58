"""Encoders of the transformers library: tiny ones, made here with random weights, saved and loaded
from their folders, against what the library itself gives for the same input.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import commands
import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest

transformers = pytest.importorskip("transformers", reason="the extra hf is not installed")
torch = pytest.importorskip("torch")

from modalmill.schemas.errors import InputError  # noqa: E402
from modalmill.schemas.features import FeatureCache  # noqa: E402
from modalmill.schemas.manifest import read_manifest  # noqa: E402
from modalmill.stages.base import Extractor, make  # noqa: E402
from modalmill.stages.features.transformers import Transformers  # noqa: E402
from tiny import picture, recipe, tone, write  # noqa: E402

SMALL = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 16,
}
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "cat", "sat"]
SENTENCE = torch.tensor([[2, 5, 6, 7, 3]])  # the cat sat


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[str, Any]]:
    """Folder and model by name."""
    folder = tmp_path_factory.mktemp("models")
    (folder / "vocab.txt").write_text("\n".join(WORDS))
    words = transformers.BertTokenizerFast(str(folder / "vocab.txt"))
    pixels = transformers.CLIPImageProcessor(
        size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}
    )
    vision = {**SMALL, "image_size": 32, "patch_size": 16}
    text = {**SMALL, "vocab_size": len(WORDS), "max_position_embeddings": 12}
    ends = {"bos_token_id": 2, "eos_token_id": 3, "pad_token_id": 0}
    torch.manual_seed(0)
    made = {
        "bert": (transformers.BertModel(transformers.BertConfig(**text)), [words]),
        "vit": (transformers.ViTModel(transformers.ViTConfig(**vision)), [pixels]),
        "clip": (
            transformers.CLIPModel(
                transformers.CLIPConfig(
                    text_config={**text, **ends}, vision_config=vision, projection_dim=6
                )
            ),
            [words, pixels],
        ),
        "siglip": (
            transformers.SiglipModel(
                transformers.SiglipConfig(text_config={**text, **ends}, vision_config=vision)
            ),
            [words, pixels],
        ),
        "wav2vec": (
            transformers.Wav2Vec2Model(
                transformers.Wav2Vec2Config(
                    conv_dim=(8, 8),
                    conv_stride=(5, 4),
                    conv_kernel=(10, 8),
                    num_feat_extract_layers=2,
                    **SMALL,
                )
            ),
            [transformers.Wav2Vec2FeatureExtractor(sampling_rate=16_000)],
        ),
        "clap": (
            transformers.ClapModel(
                transformers.ClapConfig(
                    text_config={**text, "max_position_embeddings": 40, "pad_token_id": 0},
                    audio_config={
                        "spec_size": 64,
                        "num_mel_bins": 16,
                        "patch_embeds_hidden_size": 8,
                        "hidden_size": 16,
                        "depths": [1, 1],
                        "num_attention_heads": [2, 2],
                        "window_size": 4,
                        "num_hidden_layers": 2,
                    },
                    projection_dim=6,
                )
            ),
            [
                words,
                transformers.ClapFeatureExtractor(
                    feature_size=16,
                    sampling_rate=8_000,
                    hop_length=80,
                    max_length_s=1,
                    truncation="rand_trunc",
                ),
            ],
        ),
    }
    for name, (model, processors) in made.items():
        model.eval().save_pretrained(folder / name)
        for processor in processors:
            processor.save_pretrained(folder / name)
    return {name: (str(folder / name), model) for name, (model, _) in made.items()}


def own(found: Any) -> np.ndarray:
    """The library's own answer for one part."""
    value: np.ndarray = getattr(found, "pooler_output", found)[0].numpy()
    return value


def pixels_of(folder: str, data: np.ndarray) -> Any:
    return transformers.AutoImageProcessor.from_pretrained(folder)(data, return_tensors="pt")


@torch.no_grad()
def test_a_text_is_the_mean_of_its_tokens_states_or_its_class_token(
    models: dict[str, tuple[str, Any]],
) -> None:
    folder, model = models["bert"]
    found = model(input_ids=SENTENCE, output_hidden_states=True)
    wanted = {
        ("mean", None): found.last_hidden_state[0].mean(0),
        ("cls", None): found.last_hidden_state[0, 0],
        ("mean", 0): found.hidden_states[0][0].mean(0),
        ("cls", -2): found.hidden_states[1][0, 0],
    }
    for (pool, layer), vector in wanted.items():
        stage = Transformers(model=folder, pool=pool, layer=layer)
        assert stage.dims() == 16
        np.testing.assert_allclose(stage.extract("the cat sat"), vector.numpy(), atol=1e-5)


@torch.no_grad()
def test_a_picture_is_the_mean_of_its_patches_or_its_class_token(
    models: dict[str, tuple[str, Any]],
) -> None:
    folder, model = models["vit"]
    data = picture(40, 50)
    states = model(**pixels_of(folder, data)).last_hidden_state[0]
    for pool, wanted in {"mean": states.mean(0), "cls": states[0]}.items():
        found = Transformers(model=folder, of="image", pool=pool).extract(data)
        np.testing.assert_allclose(found, wanted.numpy(), atol=1e-5)


@torch.no_grad()
def test_a_film_is_the_mean_of_its_frames(models: dict[str, tuple[str, Any]]) -> None:
    folder, _ = models["clip"]
    frames = np.stack([picture(40, 50, seed) for seed in range(3)])
    options = {"model": folder, "pool": "projection"}
    wanted = np.mean(
        [Transformers(of="image", **options).extract(frame) for frame in frames], axis=0
    )
    film = Transformers(of="video", frames=3, **options)
    assert film.modality == "video"
    np.testing.assert_allclose(film.extract(frames), wanted, atol=1e-5)


@torch.no_grad()
def test_a_sound_is_the_mean_of_its_moments(models: dict[str, tuple[str, Any]]) -> None:
    folder, model = models["wav2vec"]
    data = tone(rate_hz=16_000)
    inputs = transformers.AutoFeatureExtractor.from_pretrained(folder)(
        data, sampling_rate=16_000, return_tensors="pt"
    )
    wanted = model(**inputs).last_hidden_state[0].mean(0)
    found = Transformers(model=folder, of="audio").extract(data)
    np.testing.assert_allclose(found, wanted.numpy(), atol=1e-5)


@torch.no_grad()
def test_a_sequence_has_the_states_of_all_tokens_as_the_library_gives_them(
    models: dict[str, tuple[str, Any]],
) -> None:
    folder, model = models["bert"]
    stage = Transformers(model=folder, pool="none")
    assert (stage.dims(), stage.sequence_limit()) == (16, 1500)
    found = stage.extract("the cat sat")
    wanted = model(input_ids=SENTENCE, output_hidden_states=True)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, wanted.last_hidden_state[0].numpy(), atol=1e-6)
    np.testing.assert_allclose(
        Transformers(model=folder, pool="none", layer=1).extract("the cat sat"),
        wanted.hidden_states[1][0].numpy(),
        atol=1e-6,
    )


def data_of(name: str) -> list[Any]:
    """Parts of several lengths for a model; longer ones than it takes among them."""
    if name == "bert":
        return ["the cat", "sat", "cat sat the cat", "the " * 30, "cat", ""]
    if name in ("wav2vec", "clap"):
        rate_hz = 16_000 if name == "wav2vec" else 8_000
        return [tone(99 + number, 0.3 + 0.2 * (number % 2), rate_hz) for number in range(4)]
    return [picture(40, 50 + number, number) for number in range(3)]


OF = {"bert": "text", "wav2vec": "audio", "clap": "audio", "vit": "image", "siglip": "image"}


@pytest.mark.parametrize("name", OF)
def test_the_mean_of_a_sequence_is_what_pooling_gives_whatever_stood_beside_it(
    models: dict[str, tuple[str, Any]], name: str
) -> None:
    folder, _ = models[name]
    options: dict[str, Any] = {"model": folder, "of": OF[name], "batch_size": 3}
    data = data_of(name)
    sequences = Transformers(**options, pool="none").extract_all(data)
    means = Transformers(**options).extract_all(data)
    alone = Transformers(**{**options, "batch_size": 1}, pool="none")
    for one, sequence, mean in zip(data, sequences, means, strict=True):
        np.testing.assert_allclose(sequence.mean(0), mean, atol=1e-5)
        np.testing.assert_allclose(alone.extract(one), sequence, atol=1e-5)
    if name == "bert":
        words = transformers.AutoTokenizer.from_pretrained(folder)
        wanted = [len(words(text, truncation=True, max_length=12)["input_ids"]) for text in data]
        assert [len(own) for own in sequences] == wanted


@pytest.mark.parametrize("each", ["mean", "cls", "projection"])
def test_the_sequence_of_a_film_has_what_each_of_its_frames_would_be(
    models: dict[str, tuple[str, Any]], each: Any
) -> None:
    folder, _ = models["clip"]
    films = [
        np.stack([picture(40, 50, 10 * count + seed) for seed in range(count)]) for count in (3, 2)
    ]
    stage = Transformers(model=folder, of="video", pool="none", each_frame=each, frames=3)
    one = Transformers(model=folder, of="image", pool=each)
    assert stage.dims() == one.dims()
    for film, found in zip(films, stage.extract_all(films), strict=True):
        np.testing.assert_allclose(found, [one.extract(frame) for frame in film], atol=1e-5)


@pytest.mark.parametrize(("dtype", "kept"), [("float32", "float32"), ("bfloat16", "float16")])
def test_a_cache_keeps_sequences_as_exactly_as_they_were_computed(
    tmp_path: Path, models: dict[str, tuple[str, Any]], dtype: Any, kept: str
) -> None:
    folder, _ = models["bert"]
    texts = ["the cat sat", "cat", "the cat " * 20, "sat"]
    write(tmp_path / "t.csv", "id,text\n" + "".join(f"{n},{t}\n" for n, t in enumerate(texts)))
    source = {"type": "csv", "path": "t.csv", "id": "{id}", "text": {"text": "text"}}
    options = {"model": folder, "pool": "none", "longest": 7, "dtype": dtype, "batch_size": 2}
    value = recipe(
        tmp_path, {"s": source}, features={"text": {"features.transformers": options}}, shard=None
    )
    path = write(tmp_path / "r.json", json.dumps(value))
    done = commands.here("run", path, "--out", tmp_path / "out", "--engine", "serial")
    assert done.returncode == 0, done.stderr
    said = " ".join(done.stderr.split())
    assert f"1 of 4 are longer than {folder} takes" in said
    assert "1 of 4 sequences are longer than longest: 7" in said
    cache = FeatureCache(tmp_path / "out" / "features", "text")
    assert cache.vectors.dtype == kept
    keys = read_manifest(tmp_path / "out")["key"]
    stage = Transformers(**options)
    for key, row in zip(keys.to_pylist(), cache.rows(keys).tolist(), strict=True):
        wanted = stage.extract(texts[int(key.rpartition("-")[2])])[:7]
        # float16 has eleven bits, bfloat16 eight; its rounding may fall otherwise in a batch
        tolerance = 1e-6 if kept == "float32" else 4e-2
        np.testing.assert_allclose(cache.sequence(row), wanted, atol=tolerance)
    means = cache.one_each(cache.rows(keys))
    assert means.shape == (4, 16)
    np.testing.assert_array_equal(means[0], cache.sequence(cache.rows(keys)[0]).mean(0, np.float32))


@torch.no_grad()
@pytest.mark.parametrize("name", ["clip", "siglip"])
def test_texts_and_pictures_have_their_places_in_a_common_space(
    models: dict[str, tuple[str, Any]], name: str
) -> None:
    folder, model = models[name]
    data = picture(40, 50)
    seen = Transformers(model=folder, of="image", pool="projection")
    np.testing.assert_allclose(
        seen.extract(data), own(model.get_image_features(**pixels_of(folder, data))), atol=1e-5
    )
    ids = SENTENCE if name == "clip" else torch.nn.functional.pad(SENTENCE, (0, 12 - 5))
    read = Transformers(model=folder, of="text", pool="projection")
    mask = {"attention_mask": (ids > 0).long()} if name == "siglip" else {}
    np.testing.assert_allclose(
        read.extract("the cat sat"), own(model.get_text_features(ids, **mask)), atol=1e-5
    )
    assert seen.dims() == read.dims() == {"clip": 6, "siglip": 16}[name]


@torch.no_grad()
def test_texts_and_sounds_have_one_too_and_a_long_sound_is_cut_at_its_end(
    models: dict[str, tuple[str, Any]],
) -> None:
    folder, model = models["clap"]
    data = tone(rate_hz=8_000, seconds=1.0)
    inputs = transformers.AutoFeatureExtractor.from_pretrained(folder)(
        data, sampling_rate=8_000, return_tensors="pt"
    )
    heard = Transformers(model=folder, of="audio", pool="projection")
    assert heard.rate_hz == 8_000
    found = heard.extract(data)
    np.testing.assert_allclose(found, own(model.get_audio_features(**inputs)), atol=1e-5)
    longer = np.concatenate([data, np.random.default_rng(0).random(8_000).astype(np.float32)])
    np.testing.assert_array_equal(heard.extract(longer), found)
    assert heard.tell(data) == (1, 0)
    assert heard.tell(longer) == (1, 1)
    read = Transformers(model=folder, pool="projection")
    np.testing.assert_allclose(
        read.extract("the cat sat"), own(model.get_text_features(SENTENCE)), atol=1e-5
    )


@pytest.mark.parametrize("name", ["bert", "wav2vec"])
def test_in_a_batch_no_part_knows_of_its_neighbours(
    models: dict[str, tuple[str, Any]], name: str
) -> None:
    folder, _ = models[name]
    texts = ["the cat", "sat", "cat sat the cat", "the sat", "cat"]
    sounds = [tone(hertz, seconds, 16_000) for hertz, seconds in ((99, 0.3), (440, 0.5), (50, 0.3))]
    stage = Transformers(
        model=folder, of="text" if name == "bert" else "audio", batch_size=4, dtype="float32"
    )
    data: list[Any] = texts if name == "bert" else sounds
    one_by_one = [stage.extract(one) for one in data]
    np.testing.assert_allclose(stage.extract_all(data), one_by_one, atol=1e-5)


def test_how_it_is_computed_is_no_part_of_what_it_is(models: dict[str, tuple[str, Any]]) -> None:
    folder, _ = models["bert"]
    plain = Transformers(model=folder).identity()
    assert Transformers(model=folder, batch_size=9, device="cpu").identity() == plain
    for other in ({"pool": "cls"}, {"layer": 1}, {"dtype": "bfloat16"}):
        assert Transformers(model=folder, **other).identity() != plain


def test_half_precision_is_near_the_whole_one(models: dict[str, tuple[str, Any]]) -> None:
    folder, _ = models["bert"]
    whole = Transformers(model=folder).extract("the cat sat")
    half = Transformers(model=folder, dtype="bfloat16").extract("the cat sat")
    assert half.dtype == np.float32
    assert not np.array_equal(half, whole)
    np.testing.assert_allclose(half, whole, atol=0.1)


def test_texts_that_are_cut_are_counted_whatever_the_batch(
    tmp_path: Path, models: dict[str, tuple[str, Any]]
) -> None:
    folder, _ = models["bert"]
    texts = ["the cat sat", "the cat " * 20, "cat", "sat the cat"]
    write(tmp_path / "t.csv", "id,text\n" + "".join(f"{n},{t}\n" for n, t in enumerate(texts)))
    caches = []
    for size in (1, 3):
        source = {"type": "csv", "path": "t.csv", "id": "{id}", "text": {"text": "text"}}
        features = {"text": {"features.transformers": {"model": folder, "batch_size": size}}}
        path = write(
            tmp_path / "r.json",
            json.dumps(recipe(tmp_path, {"s": source}, features=features, shard=None)),
        )
        out = tmp_path / f"out{size}"
        done = commands.here("run", path, "--out", out, "--engine", "serial")
        assert done.returncode == 0
        assert "features.transformers of text: 1 of 4 are longer than" in done.stderr
        caches.append(FeatureCache(out / "features", "text").vectors)
    np.testing.assert_allclose(caches[0], caches[1], atol=2e-3)


@torch.no_grad()
def test_what_two_towers_say_of_a_pair_is_a_number_for_rules(
    tmp_path: Path, models: dict[str, tuple[str, Any]]
) -> None:
    folder, model = models["clip"]
    wanted = {}
    rows = "id,file,text\n"
    for number, text in enumerate(("the cat sat", "cat", "sat the cat")):
        data = picture(40, 50, number)
        write(tmp_path / f"{number}.png", cv2.imencode(".png", data[..., ::-1])[1].tobytes())
        rows += f"{number},{number}.png,{text}\n"
        ids = torch.tensor([[2, *(WORDS.index(word) for word in text.split()), 3]])
        seen = own(model.get_image_features(**pixels_of(folder, data)))
        read = own(model.get_text_features(ids))
        lengths = np.linalg.norm(seen) * np.linalg.norm(read)
        wanted[f"s-{number}"] = float(seen @ read / lengths)
    write(tmp_path / "t.csv", rows)
    source = {
        "type": "csv",
        "path": "t.csv",
        "id": "{id}",
        "text": {"caption": "text"},
        "media": {"image": {"path": "{file}"}},
    }
    options = {"model": folder, "pool": "projection"}
    features = {
        "caption": {"features.transformers": options},
        "image": {"features.transformers": {**options, "of": "image"}},
    }
    value = recipe(tmp_path, {"s": source}, features=features, shard=None)
    path = write(tmp_path / "r.json", json.dumps(value))
    out = tmp_path / "out"
    assert commands.here("run", path, "--out", out, "--engine", "serial").returncode == 0
    done = commands.here("similarity", out, "--parts", "image,caption")
    assert done.returncode == 0
    assert "note:" not in done.stdout
    table = pq.read_table(out / "similarity.parquet").to_pydict()
    found = dict(zip(table["key"], table["similarity"], strict=True))
    assert found == pytest.approx(wanted, abs=2e-3)
    limit = sorted(wanted.values())[1]
    stages = [
        {
            "align.signals": {
                "path": str(out / "similarity.parquet"),
                "signals": {"alike": "similarity"},
            }
        },
        {"clean.rules": {"alike": f">= {limit - 0.001}"}},
    ]
    path = write(tmp_path / "r.json", json.dumps({**value, "stages": stages, "features": {}}))
    done = commands.here("run", path, "--out", tmp_path / "kept", "--engine", "serial")
    assert done.returncode == 0, done.stderr
    kept = read_manifest(tmp_path / "kept")["key"].to_pylist()
    assert set(kept) == set(sorted(wanted, key=wanted.__getitem__)[1:])


def test_other_weights_in_the_folder_are_another_extractor(tmp_path: Path) -> None:
    transformers.ViTImageProcessor(size={"height": 32, "width": 32}).save_pretrained(
        tmp_path / "vit"
    )
    found = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        transformers.ViTModel(
            transformers.ViTConfig(image_size=32, patch_size=16, **SMALL)
        ).save_pretrained(tmp_path / "vit")
        found.append(Transformers(model=str(tmp_path / "vit"), of="image").identity())
    assert found[0] != found[1]
    (tmp_path / "vit").rename(tmp_path / "moved")
    moved = Transformers(model=str(tmp_path / "moved"), of="image")
    assert moved.identity() == found[1]
    (tmp_path / "moved" / "model.safetensors").unlink()
    with pytest.raises(InputError, match="cannot be loaded"):
        moved.extract(np.zeros((32, 32, 3), np.uint8))


def test_a_model_that_is_not_there_is_told_with_the_recipe(tmp_path: Path) -> None:
    made, problems = make(
        "features.transformers", Extractor, {"model": str(tmp_path / "nowhere")}, "features.text"
    )
    assert made is None
    assert len(problems) == 1
    assert "cannot be loaded" in problems[0]


@pytest.mark.parametrize(
    ("name", "options", "told"),
    [
        ("bert", {"pool": "projection"}, "pool: .*bert has no projection"),
        ("bert", {"longest": 9}, r"longest: is of a sequence \(pool: none\), found longest: 9"),
        ("bert", {"pool": "none", "longest": 0}, "longest: wanted at least 1, found 0"),
        ("clip", {"of": "image", "each_frame": "cls"}, "each_frame: is of the sequence of a film"),
        ("bert", {"layer": 3}, "layer: .* has 2 layers, wanted -3 to 2, found 3"),
        ("bert", {"of": "image"}, "bert cannot be loaded with what makes image its input"),
        ("bert", {"batch_size": 0}, "batch_size: wanted at least 1, found 0"),
        ("clip", {"of": "audio"}, "of: .*clip is of text and image, found audio"),
        (
            "clip",
            {"pool": "projection", "layer": 1},
            "layer: a projection is of the model's output",
        ),
        ("wav2vec", {"of": "audio", "pool": "cls"}, "pool: a sound has no class token"),
        ("wav2vec", {"of": "audio", "rate_hz": 8000}, "hears sounds of 16000 Hz, found 8000"),
    ],
)
def test_what_a_model_cannot_give_is_told_with_the_recipe(
    models: dict[str, tuple[str, Any]], name: str, options: dict[str, object], told: str
) -> None:
    with pytest.raises(ValueError, match=told):
        Transformers(model=models[name][0], **options)


def test_a_class_token_is_wanted_of_models_that_have_one(
    models: dict[str, tuple[str, Any]],
) -> None:
    stage = Transformers(model=models["siglip"][0], of="image", pool="cls")
    with pytest.raises(InputError, match="siglip has no class token; wanted mean"):
        stage.extract(picture(40, 50))
