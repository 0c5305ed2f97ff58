"""How one part becomes tokens (``train.inputs.<part>.encoder``), by its word."""

from __future__ import annotations

from collections.abc import Mapping

from ...outside import WithOutside
from .card import Card

ENCODERS: Mapping[str, Card] = WithOutside(
    "encoders",
    Card,
    {
        "cnn": Card(
            "encoders.image.ImageCnn",
            "three convolutions, 4 x 4 tokens",
            "standard",
            "",
            reads="image",
        ),
        "resnet18": Card(
            "encoders.resnet.ResNet18",
            "11.7 M parameters; torchvision's names",
            "He 2016",
            "1.8 G at 224",
            reads="image",
        ),
        "resnet34": Card(
            "encoders.resnet.ResNet34",
            "21.8 M parameters; torchvision's names",
            "He 2016",
            "3.7 G at 224",
            reads="image",
        ),
        "resnet50": Card(
            "encoders.resnet.ResNet50",
            "25.6 M parameters; torchvision's names",
            "He 2016",
            "4.1 G at 224",
            reads="image",
        ),
        "resnet101": Card(
            "encoders.resnet.ResNet101",
            "44.5 M parameters; torchvision's names",
            "He 2016",
            "7.8 G at 224",
            reads="image",
        ),
        "patches": Card(
            "encoders.image.ImagePatches",
            "a linear map of 8 x 8 cells",
            "Dosovitskiy 2021",
            "",
            reads="image",
        ),
        "lstm": Card(
            "encoders.text.TextLstm",
            "embedding and LSTM, both ways",
            "Hochreiter 1997",
            "T D^2",
            reads="text",
        ),
        "gru": Card(
            "encoders.text.TextGru",
            "embedding and GRU, both ways",
            "Cho 2014",
            "T D^2",
            reads="text",
        ),
        "transformer": Card(
            "encoders.text.TextTransformer",
            "embedding and layers of self-attention",
            "Vaswani 2017",
            "T^2 D",
            reads="text",
        ),
        "text_cnn": Card(
            "encoders.text.TextCnn",
            "embedding and convolutions over 3, 4 and 5 words",
            "Kim 2014",
            "T D^2",
            reads="text",
        ),
        "embedding": Card(
            "encoders.text.TextEmbedding",
            "embedding and position alone",
            "standard",
            "T D",
            reads="text",
        ),
        "spectrum_cnn": Card(
            "encoders.audio.SpectrumCnn",
            "convolutions over a spectrogram, 8 tokens",
            "standard",
            "",
            reads="audio",
        ),
        "spectrum_lstm": Card(
            "encoders.audio.SpectrumLstm",
            "LSTM over the frames of a spectrogram",
            "Hochreiter 1997",
            "T D^2",
            reads="audio",
        ),
        "frames": Card(
            "encoders.audio.SpectrumFrames",
            "a linear map of each frame of a spectrogram",
            "standard",
            "T D",
            reads="audio",
        ),
        "frames_cnn": Card(
            "encoders.video.FramesCnn",
            "one network for every frame, then time",
            "standard",
            "",
            reads="video",
        ),
        "r3d18": Card(
            "encoders.resnet3d.R3d18",
            "33.4 M parameters; torchvision's names",
            "Tran 2018",
            "41 G at 16 x 112",
            reads="video",
        ),
        "i3d_resnet18": Card(
            "encoders.resnet3d.I3dResNet18",
            "a ResNet-18 inflated along time",
            "Carreira 2017",
            "",
            reads="video",
        ),
        "video_patches": Card(
            "encoders.video.VideoPatches",
            "a linear map of each frame",
            "standard",
            "",
            reads="video",
        ),
        "table_tokens": Card(
            "encoders.table.TableTokens",
            "a token for each cell",
            "Gorishniy 2021",
            "C D",
            reads="table",
        ),
        "table_linear": Card(
            "encoders.table.TableLinear",
            "a linear map of the cells, categories one by one",
            "standard",
            "C D",
            reads="table",
        ),
        "series_cnn": Card(
            "encoders.series.SeriesCnn",
            "three convolutions over time, 8 tokens",
            "standard",
            "T D",
            reads="series",
        ),
        "series_lstm": Card(
            "encoders.series.SeriesLstm",
            "LSTM over time",
            "Hochreiter 1997",
            "T D^2",
            reads="series",
        ),
        "mlp": Card(
            "encoders.vector.VectorMlp",
            "two layers over a cached vector",
            "standard",
            "F D",
            reads="feature",
        ),
        "linear": Card(
            "encoders.vector.VectorLinear",
            "a linear map of a cached vector",
            "standard",
            "F D",
            reads="feature",
        ),
        "sequence_mean": Card(
            "encoders.sequence.SequenceMean",
            "two layers over the mean of a cached sequence",
            "standard",
            "F D",
            reads="sequence",
        ),
        "sequence_linear": Card(
            "encoders.sequence.SequenceLinear",
            "a linear map of each vector of a cached sequence, and its position",
            "standard",
            "T F D",
            reads="sequence",
        ),
        "sequence_lstm": Card(
            "encoders.sequence.SequenceLstm",
            "LSTM over a cached sequence, both ways",
            "Hochreiter 1997",
            "T D (F + D)",
            reads="sequence",
        ),
        "sequence_transformer": Card(
            "encoders.sequence.SequenceTransformer",
            "layers of self-attention over a cached sequence",
            "Vaswani 2017",
            "T^2 D",
            reads="sequence",
        ),
    },
)

# what an input can be read as in the place of its medium -> the encoder that reads it unless the
# recipe names one
FIRST_OF_FEATURES: Mapping[str, str] = {"feature": "mlp", "sequence": "sequence_linear"}
READ_CACHES = tuple(FIRST_OF_FEATURES)
