"""Charts as SVG, drawn by the server: curves or stacked bars over time. Their colours are in dashboard.css."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

# In units of the picture, which is as wide as its column: the ground, and the room around it for what is written and
# for half a curve.
WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 400, 150, 2, 18, 2, 22
# Of the labels below, so many are written; of lines across, at most so many.
LABELS, LINES = 6, 4
# As wide as a letter of a label is at most, with the room between two labels.
LETTER = 7

Value = float | None


@dataclass(frozen=True)
class Series:
    """``values``: one for each moment of the chart, None where there is nothing to say."""

    name: str
    values: Sequence[Value]


@dataclass(frozen=True)
class Chart:
    """``moments`` label the values, which are ``counted`` by what that says. ``write`` puts a value into words.

    ``stacked``: bars on each other, else curves.
    """

    title: str
    counted: str
    moments: Sequence[str]
    series: Sequence[Series]
    write: Callable[[float], str]
    stacked: bool = False

    @property
    def name(self) -> str:
        """Of the chart, within its page."""
        return self.title.lower().replace(" ", "-")

    @property
    def rows(self) -> list[tuple[str, list[str]]]:
        """The table: a row for each moment at which there is anything but nothing, the latest first."""
        rows = []
        for at, moment in enumerate(self.moments):
            values = [one.values[at] for one in self.series]
            if any(values):
                rows.append((moment, ["-" if value is None else self.write(value) for value in values]))
        return rows[::-1]

    @property
    def summary(self) -> str:
        """The picture in a sentence, for who does not see it."""
        parts = []
        for one in self.series:
            told = [value for value in one.values if value is not None]
            if told:
                parts.append(f"{one.name}: at most {self.write(max(told))}, lately {self.write(told[-1])}")
        return f"{self.title}. {'; '.join(parts) or 'Nothing yet'}."

    def svg(self) -> SafeString:
        highest = _nice(self._highest(), whole=self._is_whole())
        marks = _bars(self, highest) if self.stacked else _curves(self, highest)
        return format_html(
            '<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">{}{}{}{}</svg>',
            LEFT + WIDTH + RIGHT,
            TOP + HEIGHT + BOTTOM,
            self.summary,
            _lines(highest),
            marks,
            _values(self, highest),
            _labels(self.moments),
        )

    def _is_whole(self) -> bool:
        """Whether it counts, so that there is no half of anything."""
        return all(value is None or value.is_integer() for one in self.series for value in one.values)

    def _highest(self) -> float:
        columns = list(zip(*(one.values for one in self.series), strict=True))
        if self.stacked:
            return max((sum(value or 0.0 for value in column) for column in columns), default=0.0)
        return max((value or 0.0 for column in columns for value in column), default=0.0)


def _lines(highest: float) -> SafeString:
    heights = [_n(_y(highest * n / LINES, highest)) for n in range(LINES + 1)]
    line = '<line class="across" x1="{}" x2="{}" y1="{}" y2="{}"/>'
    return format_html_join("", line, ((LEFT, LEFT + WIDTH, y, y) for y in heights))


def _values(chart: Chart, highest: float) -> SafeString:
    """What the lines stand for, on them: however long, there is room for it."""
    values = [highest * n / LINES for n in range(1, LINES + 1)]
    places = ((LEFT, _n(_y(value, highest) - 3), chart.write(value)) for value in values)
    return format_html_join("", '<text class="value" x="{}" y="{}">{}</text>', places)


def _labels(moments: Sequence[str]) -> SafeString:
    longest = max(map(len, moments), default=1)
    every = max(1, math.ceil(len(moments) / min(LABELS, WIDTH // (LETTER * longest))))
    # The last one that there is room for.
    shown = range(0, len(moments) - every + 1, every)
    places = ((_n(_x(at, len(moments))), TOP + HEIGHT + 17, moments[at]) for at in shown)
    return format_html_join("", '<text class="moment" x="{}" y="{}">{}</text>', places)


def _curves(chart: Chart, highest: float) -> SafeString:
    """A curve ends where there is nothing to say, and goes on behind it; what stands alone is a dot."""
    drawn = []
    for number, one in enumerate(chart.series):
        for piece in _pieces(one.values):
            points = [(_x(at + 0.5, len(one.values)), _y(value, highest)) for at, value in piece]
            if len(points) == 1:
                ((x, y),) = points
                drawn.append(format_html('<circle class="dot s{}" cx="{}" cy="{}" r="2"/>', number, _n(x), _n(y)))
            else:
                path = " ".join(f"{_n(x)},{_n(y)}" for x, y in points)
                drawn.append(format_html('<polyline class="curve s{}" points="{}"/>', number, path))
    return mark_safe("".join(drawn))  # noqa: S308  of format_html


def _pieces(values: Sequence[Value]) -> list[list[tuple[int, float]]]:
    pieces: list[list[tuple[int, float]]] = [[]]
    for at, value in enumerate(values):
        if value is None:
            pieces.append([])
        else:
            pieces[-1].append((at, value))
    return [piece for piece in pieces if piece]


def _bars(chart: Chart, highest: float) -> SafeString:
    drawn = []
    count = len(chart.moments)
    for at in range(count):
        below = 0.0
        for number, one in enumerate(chart.series):
            value = one.values[at] or 0.0
            if value:
                top, bottom = _y(below + value, highest), _y(below, highest)
                width = max(WIDTH / count - 1, 0.6)
                drawn.append(
                    format_html(
                        '<rect class="bar s{}" x="{}" y="{}" width="{}" height="{}"/>',
                        *(number, _n(_x(at, count)), _n(top), _n(width), _n(max(bottom - top, 0.8))),
                    )
                )
            below += value
    return mark_safe("".join(drawn))  # noqa: S308  of format_html


def _x(at: float, count: int) -> float:
    return LEFT + WIDTH * at / max(count, 1)


def _y(value: float, highest: float) -> float:
    return TOP + HEIGHT * (1 - value / highest)


def _n(number: float) -> str:
    return f"{number:.1f}"


def _nice(highest: float, *, whole: bool) -> float:
    """The next number that LINES parts divide well: 1, 2, 4 or 8 times a power of ten; into ``whole`` ones if so."""
    if highest <= 0:
        return float(LINES)
    power = 10.0 ** math.floor(math.log10(highest))
    numbers = (step * power for step in (1, 2, 4, 8, 10, 20))
    return next(number for number in numbers if number >= highest and not (whole and number % LINES))
