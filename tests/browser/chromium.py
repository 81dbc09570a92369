"""Finding a Chromium on this machine."""

from __future__ import annotations

import os
import shutil

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


class NoChromium(Exception):
    """There is no browser for the browser tests."""


def find_chromium() -> str:
    """Its path: CHROMIUM, else one on the PATH, else the one that Playwright installed. Raises NoChromium."""
    given = os.environ.get("CHROMIUM")
    if given:
        return given
    for name in NAMES:
        if found := shutil.which(name):
            return found
    return _of_playwright()


def _of_playwright() -> str:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    if not os.path.exists(path):
        raise NoChromium("no chromium on the PATH, and `playwright install chromium` was not run")
    return path
