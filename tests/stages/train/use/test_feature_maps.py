"""What filters see."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from modalmill.stages.train.use.feature_maps import feature_maps
from modalmill.stages.train.use.predict import Predictor
from tiny import picture


def test_a_feature_map_is_what_its_filter_says(trained: Path) -> None:
    """A filter that lets red through alone gives the picture's red; filters of nothing are not
    shown before it.
    """
    predictor = Predictor(trained / "out" / "training" / "best.pt")
    batch, _, _ = predictor.batch_of({"image": str(trained / "img" / "1.jpg"), "text": "bright"})
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
