"""The style sheet's colours: WCAG 2.2, contrast of text (1.4.3) and of what is not text (1.4.11)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.conf import settings

STYLE = (Path(settings.BASE_DIR) / "static" / "site.css").read_text()
TEXT, NOT_TEXT = 4.5, 3.0
GROUNDS = ("ground", "card", "well")
TONES = ("good", "warn", "bad", "busy")
PAIRS = [
    *[(ink, ground, TEXT) for ink in ("ink", "quiet", "accent", *TONES) for ground in GROUNDS],
    *[(tone, f"{tone}-ground", TEXT) for tone in TONES],
    *[(ink, "plain-ground", TEXT) for ink in ("ink", "quiet")],
    ("ink", "busy-ground", TEXT),
    ("on-accent", "accent", TEXT),
    *[("edge", ground, NOT_TEXT) for ground in GROUNDS],
    ("accent", "plain-ground", NOT_TEXT),
]


def colours(scheme: str) -> dict[str, str]:
    light, dark = re.findall(r":root \{(.*?)\}", STYLE, re.DOTALL)
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", light + (dark if scheme == "dark" else "")))


def luminance(colour: str) -> float:
    """Relative luminance as WCAG 2.2 defines it; ``colour`` is #rrggbb."""
    parts = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_contrast_is_computed_as_wcag_does() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("ink", "ground", "least"), PAIRS)
def test_ink_stands_out_from_its_ground(scheme: str, ink: str, ground: str, least: float) -> None:
    named = colours(scheme)
    assert contrast(named[ink], named[ground]) >= least


def test_the_style_sheet_asks_for_nothing_outside() -> None:
    assert "url(" not in STYLE and "@import" not in STYLE
