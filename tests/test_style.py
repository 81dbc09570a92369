"""The style sheets' colours: WCAG 2.2, contrast of text (1.4.3) and of what is not text (1.4.11)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib import admin

SHEETS = {sheet.name: sheet.read_text() for sheet in (Path(settings.BASE_DIR) / "static").glob("*.css")}
ADMIN = Path(admin.__file__).parent / "static" / "admin" / "css"
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


# Of the dashboard: its facts, and its curves and bars, on the admin's ground.
TONES_OF_FACTS, CURVES = ("is-good", "is-warn", "is-bad"), ("s0", "s1", "s2")


def colours(sheet: str, scheme: str) -> dict[str, str]:
    light, dark = re.findall(r":root \{(.*?)\}", SHEETS[sheet], re.DOTALL)
    return named(light + (dark if scheme == "dark" else ""))


def named(rules: str) -> dict[str, str]:
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", rules))


def ground_of_the_admin(scheme: str) -> str:
    sheet = (ADMIN / {"light": "base.css", "dark": "dark_mode.css"}[scheme]).read_text()
    colour = re.findall(r"--body-bg: #([0-9a-f]{3,6});", sheet)[0]
    return f"#{colour if len(colour) == 6 else ''.join(2 * digit for digit in colour)}"


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
    of_site = colours("site.css", scheme)
    assert contrast(of_site[ink], of_site[ground]) >= least


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_dashboard_stands_out_from_the_admins_ground(scheme: str) -> None:
    of_dashboard, ground = colours("dashboard.css", scheme), ground_of_the_admin(scheme)
    for inks, least in ((TONES_OF_FACTS, TEXT), (CURVES, NOT_TEXT)):
        for ink in inks:
            assert contrast(of_dashboard[ink], ground) >= least, ink


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_admins_switch_gives_the_dashboard_the_colours_that_the_system_does(scheme: str) -> None:
    switched = re.findall(rf'html\[data-theme="{scheme}"\] \{{(.*?)\}}', SHEETS["dashboard.css"])
    assert [named(rules) for rules in switched] == [colours("dashboard.css", scheme)]


def test_the_pages_of_jobs_have_the_admins_colours() -> None:
    assert not re.search(r"#[0-9a-f]{3,8}\b|rgb|hsl", SHEETS["bulk.css"])


@pytest.mark.parametrize("sheet", SHEETS)
def test_a_style_sheet_asks_for_nothing_outside(sheet: str) -> None:
    assert "url(" not in SHEETS[sheet] and "@import" not in SHEETS[sheet]
