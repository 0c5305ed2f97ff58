"""Shards to batches: an index, a pure order, a ring of reused buffers filled by threads or
processes.

from modalmill.stages import stream

for batch in stream.open("out/shards", split="train", batch_size=64, seed=7):
    ...  # batch.parts["image"], batch.present_BM, batch.keys
"""

from ...schemas.errors import InputError, IntegrityError, TransformError, WorkerLostError
from ..modalities.audio.spec import AudioSpec
from ..modalities.image.spec import IMAGENET_MEAN, IMAGENET_STD, ImageSpec
from ..modalities.series import SeriesSpec
from ..modalities.table import TableSpec
from ..modalities.text.spec import TextSpec
from ..modalities.video.spec import VideoSpec
from ..spec import BytesSpec, Spec
from .batch import FusionBatch, Labels
from .device import OnDevice
from .opening import open_stream
from .options import Blocks
from .parts.feature import FeatureSpec
from .parts.stored import JsonSpec
from .stock import as_webdataset
from .stream import Stream

open = open_stream  # stream.open reads as what it is

__all__ = [
    "IMAGENET_MEAN",
    "IMAGENET_STD",
    "AudioSpec",
    "Blocks",
    "BytesSpec",
    "FeatureSpec",
    "FusionBatch",
    "ImageSpec",
    "InputError",
    "IntegrityError",
    "JsonSpec",
    "Labels",
    "OnDevice",
    "SeriesSpec",
    "Spec",
    "Stream",
    "TableSpec",
    "TextSpec",
    "TransformError",
    "VideoSpec",
    "WorkerLostError",
    "as_webdataset",
    "open",
    "open_stream",
]
