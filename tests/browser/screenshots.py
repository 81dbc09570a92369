"""The README's picture of the security page: `make screenshot`."""

from __future__ import annotations

import tempfile
from pathlib import Path

from playwright.sync_api import expect, sync_playwright

from tests.browser.chromium import find_chromium
from tests.browser.conftest import ARGUMENTS, sign_in
from tests.demo.running_demo import SAFARI, Demo
from tests.servers import CHECKOUT

PICTURE = CHECKOUT / "docs" / "images" / "security.png"


def main() -> None:
    with (
        tempfile.TemporaryDirectory(prefix="loginwatch-screenshot-") as folder,
        Demo(Path(folder) / "var") as demo,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=ARGUMENTS)
        for user_agent in (None, SAFARI):  # the second is a device that the account has not had
            page = browser.new_context(base_url=demo.url, user_agent=user_agent).new_page()
            page.set_viewport_size({"width": 1120, "height": 800})
            sign_in(page, "bob")
            expect(page.locator(".step.is-succeeded")).to_have_count(5)
        PICTURE.parent.mkdir(exist_ok=True)
        page.screenshot(path=PICTURE, full_page=True)
        browser.close()


if __name__ == "__main__":
    main()
