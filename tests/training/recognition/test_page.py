"""The page about a training."""

from __future__ import annotations

import math
import re
from pathlib import Path
from xml.etree import ElementTree

from hypothesis import given, settings
from hypothesis import strategies as st

from earshot.training.recognition.judging import Judged, Sample
from earshot.training.recognition.module import EpochResult
from earshot.training.recognition.page import write_page

JUDGED = Judged(0.4, 0.1, 0.3, (Sample("a", "<b>mat</b> soma", "mat soma"),))
numbers = st.floats(0, 500) | st.sampled_from([math.inf, math.nan])


def page_of(folder: Path, curve: list[EpochResult]) -> str:
    write_page(folder / "page.html", curve, JUDGED)
    return (folder / "page.html").read_text()


def plots_of(page: str) -> list[ElementTree.Element]:
    return [ElementTree.fromstring(one) for one in re.findall(r"<svg.*?</svg>", page)]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(numbers, numbers, st.floats(0, 3), st.floats(0, 3)), min_size=1, max_size=12))
def test_whatever_came_out_is_drawn_within_the_plot(
    tmp_path_factory: object, rows: list[tuple[float, float, float, float]]
) -> None:
    folder = tmp_path_factory.mktemp("page")  # type: ignore[attr-defined]
    curve = [EpochResult(epoch, 10 * epoch, epoch / 2, *row) for epoch, row in enumerate(rows, 1)]
    plots = plots_of(page_of(folder, curve))
    assert len(plots) == 2
    for plot in plots:
        _, _, width, height = map(float, plot.attrib["viewBox"].split())
        lines = [one.attrib["points"].split() for one in plot.iter("polyline")]
        assert [len(line) for line in lines] == [len(curve)] * 2
        for point in (point for line in lines for point in line):
            x, y = map(float, point.split(","))
            assert 0 <= x <= width
            assert 0 <= y <= height
        names = [one for one in plot.iter("text") if one.attrib["class"].startswith("name")]
        places = [float(one.attrib["y"]) for one in names]
        assert abs(places[0] - places[1]) >= 14, "one name lies over the other"
        assert all(10 <= place <= height for place in places)


def test_what_was_said_and_heard_stands_there_as_text(tmp_path: Path) -> None:
    page = page_of(tmp_path, [EpochResult(1, 10, 0.5, 2.0, 2.1, 0.5, 0.9)])
    assert "&lt;b&gt;mat&lt;/b&gt; soma" in page
    assert "<b>" not in page
    assert not re.search(r"""(src|href|url)[=(]["']?(?!#|data:)""", page), "it needs the network"
    assert "prefers-color-scheme:dark" in page
