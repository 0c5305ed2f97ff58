"""Which encoding a text file is written in, where nobody says it.

A byte order mark decides; else a file that decodes as UTF-8 is UTF-8. What is left are the
encodings of one region. Detectors for web pages judge these on whole paragraphs of prose and were
wrong for a third of short rows of a table; here each encoding is scored by how many of its foreign
characters are the common ones of its languages, and stand in words of their kind alone (Greek,
Cyrillic) or among plain letters (Latin).
"""

from __future__ import annotations

import codecs
import itertools
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import BinaryIO

# stands for bytes that are no text in the encoding; no decoder gives it otherwise
BROKEN = "\udcff"
# the name of the way to deal with them: decode(encoding, BROKEN_BYTES)
BROKEN_BYTES = "modalmill.broken"
_SAMPLE_BYTES = 1 << 18
_TO_JAPANESE = (b"\x1b$B", b"\x1b$@")  # escapes of ISO-2022-JP (RFC 1468)
_CENTRAL = (  # Polish, Czech, Slovak, Hungarian, Romanian, Croatian and Slovenian
    "łęóążśćńź",
    "íáéěřčšžýůúďťňó",
    "áíéčšžýúťľňôďäĺŕó",
    "áéöóőüíúű",
    "ăîâţş",
    "čšžćđ",
)
_LATIN = {  # the letters of its languages that English has not, the commonest first
    # French, German, Spanish, Portuguese, Italian, Catalan, Swedish and Finnish, Danish and
    # Norwegian, Icelandic, Dutch, Albanian
    "cp1252": (
        "éèàêçôîâûùëïœ",
        "üäöß",
        "óíáéñúü",
        "ãçáéíóêõúâàô",
        "èàòùìé",
        "àéèíòóçúïü",
        "äöåé",
        "åøæé",
        "áðíéúöóþæý",
        "éëïöü",
        "ëç",
    ),
    "iso8859_2": _CENTRAL,
    "cp1250": _CENTRAL,
    "cp1257": ("ėįšųąžčęū", "āīēšņūļžčķģ", "äõüöšž"),  # Lithuanian, Latvian, Estonian
    "cp1254": ("ıüşğçöâî",),
}
_OTHER = {  # the commonest letters, and all of the script
    "cp1251": ("оеаинтсрвлкмдпу", "\u0400-\u04ff"),
    "koi8_r": ("оеаинтсрвлкмдпу", "\u0400-\u04ff"),
    "koi8_u": ("оеаинтсрвлкмдпу", "\u0400-\u04ff"),
    "cp1253": ("αεοιτνσρηςπκλμυάίόέή", "\u0370-\u03ff"),
    "cp1255": ("והילאתרבםשנמ", "\u0590-\u05ff"),
    "cp1256": ("اليمنوتربةدسعفكحه", "\u0600-\u06ff"),
    "cp874": ("านรกอเงมยลวดทสตะปบคหแจพชขใไ่้ัีิุู์", "\u0e00-\u0e7f"),
}
_WIDE = {  # what is common in each, and what is not unheard of
    "cp932": ("\u3040-\u30ff", "\u4e00-\u9fff\u3000-\u303f\uff01-\uff60"),
    "euc_jp": ("\u3040-\u30ff", "\u4e00-\u9fff\u3000-\u303f\uff01-\uff60"),
    "cp949": ("", "\u3000-\u303f"),
    "gb18030": ("", "\u3000-\u303f\uff01-\uff60"),
    "big5": ("", "\u3000-\u303f\uff01-\uff60"),
}
# rows of the everyday characters
_COMMON_BYTES = {
    "cp932": ("euc_jp", 0xB0, 0xCF),
    "euc_jp": ("euc_jp", 0xB0, 0xCF),
    "cp949": ("euc_kr", 0xB0, 0xC8),
    "gb18030": ("gb2312", 0xB0, 0xD7),
    "big5": ("big5", 0xA4, 0xC6),
}
_PUNCTUATION = "‘’“”„–—…€«»°§©®™·•¿¡±×÷²³¹½¼¾£¥¢ªº"
_SIGN = 0.7
# what letters are worth: by how much less the rarest of a language than its commonest, those of
# another language of the region, capitals, and what is no letter of any
_RAREST, _OTHER_LANGUAGE, _CAPITAL, _NO_LETTER = 0.3, 0.5, 0.7, 0.1
_FOREIGN_RUN = re.compile(r"[^\x00-\x7f]+")
_WORD = re.compile(r"[^\W\d_]+")
_KANA = re.compile("[\u3041-\u30fa]")
# what the order of letters forbids: Czech or Croatian as French and Danish (èíslo, pøi), Portuguese
# as Hungarian (milhőes); a Hebrew final letter before another letter; in Thai a vowel or tone
# without its consonant
_IMPOSSIBLE = {
    "cp1252": re.compile("è(?=[aeiouáéíúý])|ø(?=[aiouáéíúý])"),
    "iso8859_2": re.compile("ő(?=e[ms])"),
    "cp1250": re.compile("ő(?=e[ms])"),
    "cp1255": re.compile("[םןץףך](?=[א-ת])"),
    # and a few of its letters beside a plain one are another's (Mรคdchen)
    "cp874": re.compile(
        "(?<=[A-Za-z])[\u0e00-\u0e7f]{1,3}(?![\u0e00-\u0e7f])"
        "|(?<![\u0e00-\u0e7f])[\u0e00-\u0e7f]{1,3}(?=[A-Za-z])"
        "|[เ-ไ](?![ก-ฮ])|(?<![ก-ฮั-ู็-๎])[ัิ-ฺ็-๎]|(?<![ก-ฮัิ-ู็-๎ะา])[ะาำ]"
    ),
}


def _broken(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return BROKEN, error.end


codecs.register_error(BROKEN_BYTES, _broken)


def spelled_out(text: str) -> str:
    """The text with U+FFFD where bytes are broken, as people know it."""
    return text.replace(BROKEN, "\ufffd")


def find_encoding(file: BinaryIO) -> str:
    """The encoding of an open file, from its byte order mark or from all of its bytes.

    A file with no more than one broken sequence in ten non-ASCII letters is UTF-8 with damage; its
    bad rows are rejected one by one.
    """
    first = file.read(1 << 20)
    return _find(first[:4], itertools.chain([first], iter(lambda: file.read(1 << 20), b"")))


def decode_text(data: bytes, told: Counter[str] | None = None) -> str:
    """The text of some bytes in the encoding that they are found to be in; ``BROKEN`` where they
    are no text. ``told`` counts files of another encoding than UTF-8, in words.
    """
    encoding = _find(data[:4], [data])
    if told is not None and encoding not in ("utf-8", "utf-8-sig"):
        told[f"files read as {encoding}, found from their bytes"] += 1
    return data.decode(encoding, BROKEN_BYTES)


def _find(head: bytes, pieces: Iterable[bytes]) -> str:
    marked = _by_mark(head)
    if marked:
        return marked
    decoder = codecs.getincrementaldecoder("utf-8")(BROKEN_BYTES)
    bad = good = 0
    switches = False
    sample = bytearray()
    for piece in pieces:
        switches = switches or any(escape in piece for escape in _TO_JAPANESE)
        text = decoder.decode(piece)
        if not text.isascii():
            broken = text.count(BROKEN)
            bad += broken
            good += sum(1 for letter in text if letter > "\x7f") - broken
        if len(sample) < _SAMPLE_BYTES and not piece.isascii():
            sample += b"\n".join(_foreign(piece))
    bad += BROKEN in decoder.decode(b"", True)  # a file may end inside of a letter
    # bytes of seven bits are UTF-8 as well
    if switches and bad == good == 0:
        return "iso2022_jp"
    if bad == 0 or bad * 9 <= good:
        return "utf-8"
    return _regional(bytes(sample[:_SAMPLE_BYTES]))


def _by_mark(head: bytes) -> str:
    if head.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    zeros = [byte == 0 for byte in head]  # plain letters in UTF-16 without a mark
    return (
        "utf-16-le"
        if zeros == [False, True, False, True]
        else "utf-16-be"
        if zeros == [True, False, True, False]
        else ""
    )


def _foreign(piece: bytes) -> Iterator[bytes]:
    """The lines that have bytes beyond ASCII."""
    return (line for line in piece.splitlines() if not line.isascii())


def _regional(sample: bytes) -> str:
    scores = {}
    for encoding in (*_LATIN, *_OTHER, *_WIDE):
        try:
            text = sample.decode(encoding)
        except UnicodeDecodeError as error:
            if len(sample) - error.start > 4:  # the sample may end inside of a character
                continue
            text = sample[: error.start].decode(encoding)
        scores[encoding] = _score(text, encoding)
    best = max(scores, key=lambda encoding: scores[encoding], default="cp1252")
    # what both read alike is called by the commoner name: later rows may have its dashes and quotes
    is_cp1252 = "cp1252" in scores and _alike(sample, best, "cp1252")
    return "cp1252" if is_cp1252 else best


def _alike(sample: bytes, encoding: str, other: str) -> bool:
    return sample.decode(encoding, "replace") == sample.decode(other, "replace")


def _score(text: str, encoding: str) -> float:
    """Mean of what the foreign characters are worth, 0 to 1."""
    count = sum(letter > "\x7f" for letter in text)
    if not count:
        return 0.0
    if encoding in _IMPOSSIBLE:
        text = _IMPOSSIBLE[encoding].sub("?", text)
    worth = (
        _wide_score if encoding in _WIDE else _script_score if encoding in _OTHER else _latin_score
    )
    return worth(text, encoding) / count


def _wide_score(text: str, encoding: str) -> float:
    common, rarer = (re.compile(f"[{letters}]") if letters else None for letters in _WIDE[encoding])
    rows = _COMMON_BYTES.get(encoding)
    if rows and rows[0] == "euc_jp" and not _KANA.search(text):
        rows = None  # Chinese, or as rare as Japanese without a single kana
    # A single one among plain letters is a sign of Latin text, ° or ±, whose byte took the next
    # letter with it.
    return sum(
        _wide_worth(letter, common, rarer, rows)
        for run in _FOREIGN_RUN.findall(text)
        if len(run) > 1
        for letter in run
    )


def _script_score(text: str, encoding: str) -> float:
    common, script = _OTHER[encoding]
    total = _SIGN * sum(letter in _PUNCTUATION for letter in text)
    # Thai parts no words, so that plain letters may stand beside them
    plain = "" if encoding == "cp874" else "A-Za-z"
    for word in re.findall(f"[{plain}{script}]+", text):
        # one alone, or within a plain word, is a sign whose byte stands for something else
        if len(word) == 1 or _has_plain(word):
            continue
        for letter in word:
            if letter > "\x7f" and letter not in _PUNCTUATION:
                total += 1.0 if letter in common else 0.4 if letter.lower() == letter else 0.2
    return total


def _has_plain(word: str) -> bool:
    return any(letter.isascii() for letter in word)


def _latin_score(text: str, encoding: str) -> float:
    """The score as the language of the encoding that fits best."""
    signs = _SIGN * sum(letter in _PUNCTUATION for letter in text)
    # how often each letter stands there, less where it does not look like a word
    shares: dict[str, float] = defaultdict(float)
    for word in _WORD.findall(text):
        if word.isascii():
            continue
        # In a Latin word there are plain letters too; a capital does not follow a small letter
        # (żQué for ¿Qué).
        share = (1.0 if _has_plain(word) else 0.3) * (0.1 if _has_odd_capital(word) else 1.0)
        for letter in word:
            if letter > "\x7f" and letter not in _PUNCTUATION:
                shares[letter] += share
    # a letter of another language of the region is a name, or the file has two languages
    others = dict.fromkeys("".join(_LATIN[encoding]), _OTHER_LANGUAGE)
    return signs + max(
        _language_score(shares, others | _worth_by_rank(letters)) for letters in _LATIN[encoding]
    )


def _worth_by_rank(letters: str) -> dict[str, float]:
    return {letter: 1.0 - _RAREST * rank / len(letters) for rank, letter in enumerate(letters)}


def _language_score(shares: Mapping[str, float], worth: Mapping[str, float]) -> float:
    return sum(
        share * worth.get(letter, max(_CAPITAL * worth.get(letter.lower(), 0.0), _NO_LETTER))
        for letter, share in shares.items()
    )


def _has_odd_capital(word: str) -> bool:
    return any(
        letter > "\x7f" and letter.islower() and after.isupper()
        for letter, after in itertools.pairwise(word)
    )


def _wide_worth(
    letter: str,
    common: re.Pattern[str] | None,
    known: re.Pattern[str] | None,
    rows: tuple[str, int, int] | None,
) -> float:
    if common is not None and common.match(letter):
        return 1.0
    if rows is not None:
        raw = letter.encode(rows[0], "ignore")
        if len(raw) == 2 and rows[1] <= raw[0] <= rows[2]:
            return 0.95
    return 0.6 if known is not None and known.match(letter) else 0.0
