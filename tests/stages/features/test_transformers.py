"""Encoders of the transformers library: tiny ones, made here with random weights, saved and loaded
from their folders.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

transformers = pytest.importorskip("transformers", reason="the extra hf is not installed")
torch = pytest.importorskip("torch")

from modalmill.schemas.errors import InputError  # noqa: E402
from modalmill.stages.base import Extractor, make  # noqa: E402
from modalmill.stages.features.transformers import Transformers  # noqa: E402

SMALL = {
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 16,
}


def test_a_text_is_the_mean_of_its_tokens_states(tmp_path: Path) -> None:
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "cat", "sat"]
    (tmp_path / "vocab.txt").write_text("\n".join(words))
    transformers.BertTokenizerFast(str(tmp_path / "vocab.txt")).save_pretrained(tmp_path / "bert")
    torch.manual_seed(0)
    model = transformers.BertModel(transformers.BertConfig(vocab_size=len(words), **SMALL)).eval()
    model.save_pretrained(tmp_path / "bert")
    stage = Transformers(model=str(tmp_path / "bert"))
    with torch.no_grad():
        wanted = model(input_ids=torch.tensor([[2, 5, 6, 7, 3]])).last_hidden_state[0].mean(0)
    assert stage.dims() == 16
    np.testing.assert_allclose(stage.extract("the cat sat"), wanted.numpy(), atol=1e-5)


def test_images_and_sound_have_encoders_too(tmp_path: Path) -> None:
    transformers.ViTImageProcessor(size={"height": 32, "width": 32}).save_pretrained(
        tmp_path / "vit"
    )
    transformers.ViTModel(
        transformers.ViTConfig(image_size=32, patch_size=16, **SMALL)
    ).save_pretrained(tmp_path / "vit")
    picture = np.random.default_rng(0).integers(0, 256, (40, 50, 3)).astype(np.uint8)
    seen = Transformers(model=str(tmp_path / "vit"), of="image").extract(picture)
    assert seen.shape == (16,)
    assert np.isfinite(seen).all()
    transformers.Wav2Vec2FeatureExtractor(sampling_rate=16_000).save_pretrained(tmp_path / "w2v")
    config = transformers.Wav2Vec2Config(
        conv_dim=(8, 8), conv_stride=(5, 4), conv_kernel=(10, 8), num_feat_extract_layers=2, **SMALL
    )
    transformers.Wav2Vec2Model(config).save_pretrained(tmp_path / "w2v")
    heard = Transformers(model=str(tmp_path / "w2v"), of="audio").extract(
        np.sin(np.arange(8000, dtype=np.float32) / 9)
    )
    assert heard.shape == (16,)
    assert np.isfinite(heard).all()


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
