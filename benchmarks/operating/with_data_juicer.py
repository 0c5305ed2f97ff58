"""The rates of data-juicer's filters and mappers, in batches of 1,000, as they take texts, and of
its estimate of a sound's noise. INPUTS [ONLY]
"""

from __future__ import annotations

from typing import Any

from _rates import started
from data_juicer.ops.filter.alphanumeric_filter import AlphanumericFilter
from data_juicer.ops.filter.audio_nmf_snr_filter import compute_nmf_snr
from data_juicer.ops.filter.character_repetition_filter import CharacterRepetitionFilter
from data_juicer.ops.filter.word_repetition_filter import WordRepetitionFilter
from data_juicer.ops.mapper.clean_html_mapper import CleanHtmlMapper
from data_juicer.ops.mapper.fix_unicode_mapper import FixUnicodeMapper
from data_juicer.ops.mapper.whitespace_normalization_mapper import WhitespaceNormalizationMapper
from data_juicer.utils.constant import Fields

_BATCH = 1000


def main() -> None:
    inputs, told = started()
    for kind, texts in inputs.texts.items():
        batches = [texts[first : first + _BATCH] for first in range(0, len(texts), _BATCH)]
        mean = len(texts) / len(batches)
        for operator, judge in (
            ("text.characters", AlphanumericFilter(tokenization=False)),
            ("text.repetition", CharacterRepetitionFilter()),
            ("text.duplicate_ngrams", WordRepetitionFilter(lang="en", tokenization=False)),
        ):
            told.measure(f"{kind}|{operator}", type(judge).__name__, counting(judge), batches, mean)
        for operator, mapper in (
            ("clean.text repair", FixUnicodeMapper()),
            ("clean.text strip_html", CleanHtmlMapper()),
            ("clean.text spaces", WhitespaceNormalizationMapper()),
        ):
            told.measure(
                f"{kind}|{operator}", type(mapper).__name__, changing(mapper), batches, mean
            )
    told.measure(
        "sounds|audio.noise_floor",
        "compute_nmf_snr",
        compute_nmf_snr,
        inputs.sounds,
        inputs.seconds,
    )
    told.print("py-data-juicer", "selectolax")


def counting(judge: Any) -> Any:
    def work(texts: list[str]) -> object:
        fresh = {
            "text": texts,
            Fields.stats: [{} for _ in texts],
            Fields.context: [{} for _ in texts],
        }
        return judge.compute_stats_batched(fresh)

    return work


def changing(mapper: Any) -> Any:
    def work(texts: list[str]) -> object:
        return mapper.process_batched({"text": list(texts)})

    return work


if __name__ == "__main__":
    main()
