"""Shards to batches: an index, a pure order, a ring of reused buffers filled by threads.

from modalmill.stages import stream

for batch in stream.open("out/shards", split="train", batch_size=64, seed=7):
    ...  # batch.parts["image"], batch.present_BM, batch.keys
"""

from .batch import FusionBatch
from .decode import AudioSpec, FeatureSpec, ImageSpec, Spec, TextSpec, VideoSpec
from .stream import Stream, open_stream

open = open_stream  # stream.open reads as what it is

__all__ = ["AudioSpec", "FeatureSpec", "FusionBatch", "ImageSpec", "Spec", "Stream", "TextSpec", "VideoSpec", "open", "open_stream"]
