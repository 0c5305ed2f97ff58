"""What is measured of a sound, by name; of the part's span but for those that are of the file."""

from __future__ import annotations

import math

from ....schemas.quantity import Quantity, share

OF_FILE = ("late_s", "streams")
SIGNALS = {
    "clipping": share(
        "share of samples at full scale or in flat tops, of the channel that has most"
    ),
    "silence": share("share of 20 ms frames below -60 dBFS, without a constant offset"),
    "quiet": share("share of frames 40 dB or more below the loud ones of the recording"),
    "level_db": Quantity("RMS level", "dBFS", -120.0, 10 * math.log10(2)),
    "late_s": Quantity("silence before the sound of a film sets in, of the file", "s"),
    "streams": Quantity("streams of sound in the file", "", 1.0),
    "speech_share": Quantity(
        "share of the time in which speech is likelier than 0.5", "", 0.0, 1.0, on_request="speech"
    ),
    "speech_s": Quantity("the same in seconds", "s", on_request="speech"),
    "warp_cost": Quantity("cost of the path that align.warp found, 1 of what belongs to nothing"),
    "sync_offset_s": Quantity(
        "by how much it is late against its film, where align.sync is confident", "s", -math.inf
    ),
    "sync_confidence": share("how confident align.sync is of that"),
    "sync_drift": Quantity("by how much later it gets, where that is so", "s/s", -math.inf),
}
