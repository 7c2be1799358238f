from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from earshot.core.types import Segment, Transcript, Word
from earshot.visual.figure import clock_text, time_ticks
from earshot.visual.labels import Label, fit, labels_of, place


def width_of(text: str) -> float:
    return 0.1 * len(text)


@given(
    starts=st.lists(st.floats(0, 60), max_size=60).map(sorted),
    num_lanes=st.integers(1, 5),
    gap=st.floats(0, 0.3),
)
def test_no_label_covers_another_or_leaves_the_picture(starts: list[float], num_lanes: int, gap: float) -> None:
    labels = [Label("word" * (1 + round(start) % 3), start, start + 0.3) for start in starts]
    widths = [width_of(label.text) for label in labels]
    lanes = place(labels, widths, num_lanes, gap=gap, within=(0, 60))
    ends: dict[int, float] = {}
    for label, width, lane in zip(labels, widths, lanes, strict=True):
        if lane is None:
            continue
        assert 0 <= lane < num_lanes
        left, right = label.middle - width / 2, label.middle + width / 2
        assert left >= ends.get(lane, 0)
        assert right <= 60
        ends[lane] = right


def test_words_with_room_are_all_in_the_first_lane() -> None:
    labels = [Label("word", start, start + 0.4) for start in range(1, 9)]
    assert place(labels, [0.4] * 8, 4, gap=0.1, within=(0, 10)) == [0] * 8


def test_long_texts_are_cut_to_their_time() -> None:
    long = Label("a sentence of many words that has no time for all of them", 0, 2)
    cut = fit(long, width_of, least=0.5)
    assert cut.text.endswith("…")
    assert width_of(cut.text) <= 2
    assert long.text.startswith(cut.text.removesuffix("…"))
    assert fit(Label("unforgettable", 0, 0.1), width_of, least=0.1).text == "unforgettable"


def test_words_without_times_are_shown_as_their_segment() -> None:
    timed = Segment("one two", 1, 2, (Word("one", 1.0, 1.4), Word("two", 1.5, 2.0)))
    untimed = Segment("three\nfour", 3, 4, (Word("three"), Word("four")))
    transcript = Transcript((timed, untimed, Segment("far away", 90, 91)))
    assert labels_of(transcript, 0, 10) == [
        Label("one", 1.0, 1.4),
        Label("two", 1.5, 2.0),
        Label("three four", 3, 4),
    ]


@given(start=st.floats(0, 1e5), length=st.floats(0.05, 1e6))
def test_ticks_are_few_and_even(start: float, length: float) -> None:
    end = start + length
    ticks = time_ticks(start, end)
    assert 1 <= len(ticks) <= 16 or length < 1
    assert all(start - 1e-3 <= tick <= end + 1e-3 for tick in ticks)


def test_times_are_written_as_long_as_they_need() -> None:
    assert clock_text(2.5, 10) == "2.5"
    assert clock_text(12, 40) == "12"
    assert clock_text(185, 600) == "3:05"
    assert clock_text(59.999, 600) == "1:00"
    assert clock_text(3_785, 7_200) == "1:03:05"
