"""Records with any subset of modalities."""

from __future__ import annotations

from hypothesis import strategies as st
from modalmill.schemas.record import Cue, Origin, Part, Record, Step, make_key

words = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=20)
seconds = st.floats(0, 1000, allow_nan=False).map(lambda value: round(value, 3))


@st.composite
def cues(draw: st.DrawFn) -> tuple[Cue, ...]:
    starts = sorted(draw(st.lists(seconds, max_size=3)))
    return tuple(Cue(start, start + 0.5, draw(words)) for start in starts)


@st.composite
def parts(draw: st.DrawFn, modality: str) -> Part:
    if modality == "text":
        return Part("text", text=draw(words), cues=draw(cues()))
    spans = draw(st.none() | seconds) if modality in ("audio", "video") else None
    return Part(
        modality,  # type: ignore[arg-type]
        uri=draw(st.sampled_from(["a.bin", "b/c.bin"])),
        start_s=spans,
        end_s=None if spans is None else spans + 1,
        hash=draw(st.none() | st.just("0" * 32)),
        bytes=draw(st.none() | st.integers(0, 2**40)),
        steps=tuple(Step(op, {}) for op in draw(st.lists(st.just("hflip"), max_size=2))),
    )


@st.composite
def records(draw: st.DrawFn) -> Record:
    names = draw(
        st.lists(st.sampled_from(["question", "caption", "image", "audio", "video"]), unique=True)
    )
    modality = {"question": "text", "caption": "text"}
    made = {name: draw(parts(modality.get(name, name))) for name in names}
    key = make_key("s", draw(words))
    return Record(
        key=key,
        group=draw(st.sampled_from([key, "g1", "g2"])),
        split=draw(st.none() | st.sampled_from(["train", "val"])),
        parts=made,
        targets=draw(
            st.dictionaries(
                st.sampled_from(["label", "score", "answers"]),
                st.one_of(words, st.floats(-1e6, 1e6), st.lists(words, max_size=3)),
            )
        ),
        absent={name: "absent" for name in ("image", "audio") if name not in made},
        signals=draw(
            st.dictionaries(
                st.sampled_from(["image.sharpness", "audio.silence"]), st.floats(-1e6, 1e6)
            )
        ),
        origin=Origin(
            "s",
            draw(st.sampled_from(["a.csv", "b.json"])),
            draw(st.none() | st.integers(1, 10**9)),
            draw(words),
        ),
    )
