"""requirements.txt: what runs the site, each with its exact version, and nothing left to the day of installing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import metadata

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.servers import CHECKOUT

pytestmark = pytest.mark.once


def pinned(file: str) -> dict[str, str]:
    lines = (CHECKOUT / file).read_text().splitlines()
    pins = [Requirement(line) for line in lines if line and not line.startswith(("#", "-r"))]
    return {canonicalize_name(pin.name): str(pin.specifier) for pin in pins if is_needed_here(pin)}


def is_needed_here(requirement: Requirement) -> bool:
    """By this version of Python, on this system, without extras."""
    return requirement.marker is None or requirement.marker.evaluate({"extra": ""})


def needs_of(name: str) -> Iterator[str]:
    for line in metadata.requires(name) or []:
        need = Requirement(line)
        if is_needed_here(need):
            yield canonicalize_name(need.name)


def test_every_version_is_exact_and_is_the_one_installed() -> None:
    for file in ("requirements.txt", "requirements-dev.txt"):
        for name, specifier in pinned(file).items():
            assert specifier == f"=={metadata.version(name)}", name


def test_what_a_pinned_package_needs_is_pinned_too() -> None:
    runs = pinned("requirements.txt")

    missing = {f"{name} needs {need}" for name in runs for need in needs_of(name) if need not in runs}

    assert missing == set()


def test_each_dependency_says_why_it_is_here() -> None:
    direct = (CHECKOUT / "requirements.txt").read_text().split("\n\n")[0]
    told = (CHECKOUT / "docs" / "dependencies.md").read_text().lower()

    for name in re.findall(r"^([\w-]+)==", direct + (CHECKOUT / "requirements-dev.txt").read_text(), re.MULTILINE):
        assert name.lower() in told, name
