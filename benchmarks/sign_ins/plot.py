"""The picture of docs/performance.md: how many of the sign-ins had their verdict by when, a curve for each rate."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.page import PAGE

PICTURE = PAGE.with_name("performance-latency.svg")
TITLE = "How many of the sign-ins had their verdict by when"

# In pixels: the ground of the curves, and the room around it for what is written there.
WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 540, 260, 52, 20, 178, 48
# Milliseconds; what lies outside is drawn at the edge.
TICKS = (10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000)
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
# Points of a curve.
POINTS = 200
# Colour and dashes, so that colour alone need not tell.
CURVES = (("#2f81c7", "none"), ("#d1651d", "8 3"), ("#a06ee1", "2 3"), ("#5f9421", "9 3 2 3"))
# Of the sign-ins at 20 a second, so large a share is to have its verdict within so many milliseconds.
GOALS = {0.5: 60.0, 0.99: 250.0}
STYLE = """\
svg { --ground: #ffffff; --ink: #1f2328; --line: #d1d9e0; }
@media (prefers-color-scheme: dark) { svg { --ground: #0d1117; --ink: #e6edf3; --line: #3d444d; } }
text { font: 12px system-ui, sans-serif; fill: var(--ink); }
.ground { fill: var(--ground); }
.line { stroke: var(--line); }
.goal { stroke: var(--ink); fill: none; stroke-width: 1.5; }
.curve { fill: none; stroke-width: 2.2; stroke-linejoin: round; }"""


def draw(rounds: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    PICTURE.write_text(svg({kind: [ms for one in ones for ms in one["verdict"]] for kind, ones in rounds.items()}))


def svg(curves: Mapping[str, Sequence[float]]) -> str:
    """``curves``: milliseconds, by the name of their kind."""
    width, height = LEFT + WIDTH + RIGHT, TOP + HEIGHT + BOTTOM
    parts = [*_shares(), *_times(), *_goals()]
    for number, (kind, ms) in enumerate(curves.items()):
        parts += _curve(number, kind, sorted(ms))
    lines = "\n".join(parts)
    return f"""\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" aria-label="{TITLE}">
<title>{TITLE}</title>
<style>
{STYLE}
</style>
<rect class="ground" width="{width}" height="{height}"/>
{lines}
</svg>
"""


def _x(ms: float) -> float:
    """By its logarithm."""
    least, most = TICKS[0], TICKS[-1]
    return LEFT + WIDTH * math.log(min(max(ms, least), most) / least) / math.log(most / least)


def _y(share: float) -> float:
    return TOP + HEIGHT * (1 - share)


def _shares() -> list[str]:
    return [
        f'<path class="line" d="M{LEFT} {_y(share):.1f}h{WIDTH}"/>'
        f'<text x="{LEFT - 8}" y="{_y(share) + 4:.1f}" text-anchor="end">{share:.0%}</text>'
        for share in SHARES
    ]


def _times() -> list[str]:
    names = {tick: f"{tick} ms" if tick < 1_000 else f"{tick // 1_000} s" for tick in TICKS}
    lines = [
        f'<path class="line" d="M{_x(tick):.1f} {TOP}v{HEIGHT}"/>'
        f'<text x="{_x(tick):.1f}" y="{TOP + HEIGHT + 18}" text-anchor="middle">{name}</text>'
        for tick, name in names.items()
    ]
    x, y = LEFT + WIDTH // 2, TOP + HEIGHT + 38
    return [*lines, f'<text x="{x}" y="{y}" text-anchor="middle">from the sign-in to its verdict</text>']


def _goals() -> list[str]:
    """A ring for each, which the curve is to pass on the left."""
    rings = [f'<circle class="goal" cx="{_x(ms):.1f}" cy="{_y(share):.1f}" r="5"/>' for share, ms in GOALS.items()]
    x, y = LEFT + WIDTH + 28, TOP + 8
    legend = f'<circle class="goal" cx="{x}" cy="{y}" r="5"/><text x="{x + 22}" y="{y + 4}">goals at 20 a second</text>'
    return [*rings, legend]


def _curve(number: int, name: str, ms: Sequence[float]) -> list[str]:
    """``ms`` in order; its line in the legend too."""
    colour, dashes = CURVES[number]
    stroke = f'class="curve" stroke="{colour}" stroke-dasharray="{dashes}"'
    shares = (point / POINTS for point in range(POINTS + 1))
    points = [(_x(ms[round(share * (len(ms) - 1))]), _y(share)) for share in shares]
    path = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    x, y = LEFT + WIDTH + 14, TOP + 34 + 22 * number
    legend = f'<path {stroke} d="M{x} {y}h28"/><text x="{x + 36}" y="{y + 4}">{name}</text>'
    return [f'<path {stroke} d="M{path}"/>', legend]
