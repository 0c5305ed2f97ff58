"""Arrays by the type of their numbers, where it is known; a docstring says their shape."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Bools: TypeAlias = npt.NDArray[np.bool_]
Float32s: TypeAlias = npt.NDArray[np.float32]
Float64s: TypeAlias = npt.NDArray[np.float64]
# of pictures: their values
Uint8s: TypeAlias = npt.NDArray[np.uint8]
# fingerprints of sounds
Uint32s: TypeAlias = npt.NDArray[np.uint32]
# sketches of films
Uint16s: TypeAlias = npt.NDArray[np.uint16]
