"""The Dockerfile and .dockerignore, without an engine."""

from __future__ import annotations

import pytest

from tests.deployment.files import DOCKERFILE, DOCKERIGNORE


def test_the_process_is_not_root() -> None:
    users = [line.split()[1] for line in DOCKERFILE if line.startswith("USER ")]
    assert users == ["loginwatch"]


def test_no_secret_stays_in_the_image() -> None:
    assert not [line for line in DOCKERFILE if line.startswith(("ENV", "ARG")) and ("SECRET" in line or "KEY" in line)]


def test_only_wheels_are_installed() -> None:
    installs = [line for line in DOCKERFILE if "pip install" in line]
    assert installs
    assert all("--only-binary=:all:" in line for line in installs)
    assert not [line for line in DOCKERFILE if "apt-get" in line]


@pytest.mark.parametrize("path", [".env", ".env.*", ".git", ".venv", "var", "tests"])
def test_stays_out_of_the_image(path: str) -> None:
    assert path in DOCKERIGNORE
