"""A bar chart as SVG: dark on light, or light on dark where the reader's system asks for that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from xml.sax.saxutils import escape

WIDTH, ROW, TOP = 720, 34, 56
# Where the bars begin, and how long the longest of all marks is.
LEFT, LONGEST = 190, 430

LIGHT = {"ground": "#ffffff", "ink": "#1b1f24", "keeps": "#1a66b3", "forgets": "#7a828c"}
DARK = {"ground": "#14181d", "ink": "#e8ebef", "keeps": "#6cb0f5", "forgets": "#8b949e"}
STYLE = """\
rect.ground {{ fill: {ground} }} text {{ fill: {ink}; font: 14px system-ui, sans-serif }}
.keeps {{ fill: {keeps} }} .forgets {{ fill: {forgets} }} path {{ stroke: {ink}; stroke-width: 1.5; fill: none }}"""


@dataclass(frozen=True)
class Bar:
    """``keeps``: all its workflows are done though Redis is wiped."""

    title: str
    values: Sequence[float]
    keeps: bool


def write(path: Path, bars: Sequence[Bar], *, title: str) -> None:
    path.write_text(svg(bars, title=title))


def svg(bars: Sequence[Bar], *, title: str) -> str:
    """Horizontal bars in their order, each with the median of its values, and their range."""
    height = TOP + ROW * len(bars) + 12
    scale = LONGEST / max(max(bar.values) for bar in bars)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
        f"<title>{escape(title)}</title>",
        f"<style>{STYLE.format(**LIGHT)}\n@media (prefers-color-scheme: dark) {{ {STYLE.format(**DARK)} }}</style>",
        f'<rect class="ground" width="{WIDTH}" height="{height}" rx="8"/>',
        f'<text x="16" y="26">{escape(title)}</text>',
        *_legend(),
        *(line for number, bar in enumerate(bars) for line in _bar(bar, TOP + ROW * number, scale)),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _legend() -> list[str]:
    kinds = [("keeps", LEFT, "done though Redis is wiped"), ("forgets", LEFT + 230, "lost when Redis is wiped")]
    return [
        f'<rect class="{kind}" x="{x}" y="36" width="12" height="12"/><text x="{x + 18}" y="47">{text}</text>'
        for kind, x, text in kinds
    ]


def _bar(bar: Bar, y: float, scale: float) -> list[str]:
    low, high, middle = LEFT + min(bar.values) * scale, LEFT + max(bar.values) * scale, y + ROW / 2
    kind, value = "keeps" if bar.keeps else "forgets", median(bar.values)
    return [
        f'<text x="{LEFT - 10}" y="{middle + 5:.1f}" text-anchor="end">{escape(bar.title)}</text>',
        f'<rect class="{kind}" x="{LEFT}" y="{y + 7:.1f}" width="{value * scale:.1f}" height="{ROW - 14}"/>',
        f'<path d="M{low:.1f} {middle - 5:.1f}v10m0 -5H{high:.1f}m0 -5v10"/>',
        f'<text x="{high + 8:.1f}" y="{middle + 5:.1f}">{value:.0f}</text>',
    ]
