"""The chart of the throughput page."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from benchmarks.throughput import plot
from benchmarks.throughput.plot import Bar
from tests.test_style import NOT_TEXT, TEXT, contrast

pytestmark = pytest.mark.once

BARS = [Bar("ours & theirs", [100, 120, 140], keeps=True), Bar("theirs", [50, 60, 70], keeps=False)]


def test_it_is_a_picture_with_a_bar_for_each() -> None:
    picture = ElementTree.fromstring(plot.svg(BARS, title="a < b"))  # noqa: S314  our own

    texts = [text.text for text in picture.iter("{http://www.w3.org/2000/svg}text")]
    assert texts[0] == "a < b"
    assert texts[-4:] == ["ours & theirs", "120", "theirs", "60"]


@pytest.mark.parametrize("colours", [plot.LIGHT, plot.DARK])
def test_it_can_be_read_on_light_and_on_dark(colours: dict[str, str]) -> None:
    assert contrast(colours["ink"], colours["ground"]) >= TEXT
    for kind in ("keeps", "forgets"):
        assert contrast(colours[kind], colours["ground"]) >= NOT_TEXT
