"""The rates of DataTrove's filters and formatters, its own words of spaCy included. INPUTS [ONLY]

No limit of a filter is ever reached, so that all of its numbers are reckoned.
"""

from __future__ import annotations

from _rates import started
from datatrove.data import Document
from datatrove.pipeline.filters import (
    C4QualityFilter,
    FineWebQualityFilter,
    GopherQualityFilter,
    GopherRepetitionFilter,
)
from datatrove.pipeline.formatters import FTFYFormatter, PIIFormatter

_NEVER = 1e9


def repetition(**chosen: object) -> GopherRepetitionFilter:
    """The filter with some of its numbers; None leaves one out."""
    nothing = dict.fromkeys(
        ("dup_line_frac", "dup_para_frac", "dup_line_char_frac", "dup_para_char_frac"), None
    )
    return GopherRepetitionFilter(**{**nothing, "top_n_grams": (), "dup_n_grams": (), **chosen})


def main() -> None:
    inputs, told = started()
    lines = dict.fromkeys(
        ("dup_line_frac", "dup_para_frac", "dup_line_char_frac", "dup_para_char_frac"), _NEVER
    )
    top = tuple((length, _NEVER) for length in (2, 3, 4))
    copies = tuple((length, _NEVER) for length in range(5, 11))
    quality = GopherQualityFilter(0, None, 0, None, _NEVER, _NEVER, _NEVER, None, 0)
    gopher = GopherQualityFilter()
    c4 = C4QualityFilter(filter_no_terminal_punct=True)
    fineweb = FineWebQualityFilter(
        line_punct_thr=0,
        short_line_thr=_NEVER,
        char_duplicates_ratio=_NEVER,
        new_line_ratio=_NEVER,
    )
    for kind, texts in inputs.texts.items():
        documents = [Document(text=text, id=str(number)) for number, text in enumerate(texts)]
        for operator, called, judge in (
            ("text.duplicate_lines", "GopherRepetitionFilter, lines", repetition(**lines)),
            ("text.top_ngrams", "GopherRepetitionFilter, top n-grams", repetition(top_n_grams=top)),
            (
                "text.duplicate_ngrams",
                "GopherRepetitionFilter, n-grams",
                repetition(dup_n_grams=copies),
            ),
            ("text.word_shapes", "GopherQualityFilter", quality),
            ("text.line_shapes", "FineWebQualityFilter", fineweb),
            ("clean.text preset gopher", "GopherQualityFilter", gopher),
        ):
            told.measure(f"{kind}|{operator}", called, judge.filter, documents)

        def clean(text: str) -> object:
            return c4.filter(Document(text=text, id=""))  # it takes lines away from the document

        told.measure(f"{kind}|clean.text preset c4", "C4QualityFilter", clean, texts)
        told.measure(f"{kind}|clean.text repair", "FTFYFormatter", FTFYFormatter().format, texts)
        told.measure(
            f"{kind}|clean.text personal, e-mail and IP",
            "PIIFormatter",
            PIIFormatter().format,
            texts,
        )
    told.print("datatrove", "spacy", "ftfy")


if __name__ == "__main__":
    main()
