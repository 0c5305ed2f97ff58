"""Feature maps: what the channels of an encoder's first and last convolution make of one picture or
spectrogram (Zeiler & Fergus 2014).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from ...stream import FusionBatch
from ..model.model import FusionModel


@dataclass(frozen=True)
class FeatureMaps:
    """Of one convolution: its name within the encoder, the channels that vary most over places, and
    their maps ``float32 [K, H, W]``.
    """

    layer: str
    channels: list[int]
    maps: np.ndarray


@torch.no_grad()
def feature_maps(model: FusionModel, batch: FusionBatch, name: str, most: int) -> list[FeatureMaps]:
    """Of one part of a batch of one record: ``most`` channels each of its encoder's first and last
    flat convolution.

    Nothing where it has no ``nn.Conv2d`` with at least 2 x 2 places, or sees several pictures
    (frames).
    """
    passed: dict[str, Tensor] = {}

    def keep(layer: str) -> Callable[[nn.Module, object, Tensor], None]:
        def hook(module: nn.Module, inputs: object, out: Tensor) -> None:
            if len(out) == 1 and min(out.shape[2:]) >= 2:
                passed[layer] = out[0].float()

        return hook

    hooks = [
        module.register_forward_hook(keep(layer))
        for layer, module in model.encoders[name].named_modules()
        if isinstance(module, nn.Conv2d)
    ]
    try:
        model.encode_part(batch, name)
    finally:
        for hook in hooks:
            hook.remove()
    chosen = []
    for layer in dict.fromkeys([*list(passed)[:1], *list(passed)[-1:]]):
        maps_CHW = passed[layer]
        channels = maps_CHW.std((1, 2)).argsort(descending=True, stable=True)[:most]
        chosen.append(FeatureMaps(layer, channels.tolist(), maps_CHW[channels].cpu().numpy()))
    return chosen


def mosaic(maps: list[FeatureMaps], tile: int = 64, low_first: bool = False) -> np.ndarray:
    """The maps as one picture ``float32``, a row of tiles for each convolution, each map from 0
    (its least) to 1 (its most); NaN between them.

    low_first: the first row of a map is the lowest band of a spectrogram, and is drawn below.
    """
    rows = []
    for layer_maps in maps:
        tiles = []
        for channel_map in layer_maps.maps:
            spread = cv2.resize(
                channel_map[::-1] if low_first else channel_map,
                (tile, tile),
                interpolation=cv2.INTER_NEAREST,
            )
            spread = (spread - spread.min()) / max(1e-9, float(np.ptp(spread)))
            tiles.append(np.pad(spread, 2, constant_values=np.nan))
        rows.append(np.concatenate(tiles, 1))
    width = max(row.shape[1] for row in rows)
    return np.concatenate(
        [np.pad(row, ((0, 0), (0, width - row.shape[1])), constant_values=np.nan) for row in rows]
    )
