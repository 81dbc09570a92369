from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

import pytest

from tests.demo.running_demo import Browser, Demo


class Open(Protocol):
    def __call__(self, demo: Demo, user_agent: str) -> Browser: ...


@pytest.fixture
def open_browser() -> Iterator[Open]:
    """Opens browsers without cookies, and closes them after the test."""
    with ExitStack() as stack:

        def opened(demo: Demo, user_agent: str) -> Browser:
            browser = Browser(demo, user_agent)
            stack.callback(browser.close)
            return browser

        yield opened


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """A demo that runs, in a folder whose name is full of what shells and configuration files misread."""
    with Demo(tmp_path_factory.mktemp("demo") / "it's #1; 100%s & so on" / "var") as running:
        yield running


@pytest.fixture
def var(tmp_path: Path) -> Path:
    folder = tmp_path / "var"
    folder.mkdir()
    return folder
