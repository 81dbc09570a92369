"""What stands between a checkout and its start: make, gunicorn and their clear lines."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from loginwatch.demo.running import BASE_DIR

GUNICORN = [sys.executable, "-m", "gunicorn", "loginwatch.wsgi"]
NOTHING: Mapping[str, str] = {}
PRODUCTION = {
    "SECRET_KEY": "x" * 50,
    "SITE_URL": "https://example.com",
    "RISK_API_SECRET": "whsec_aW5zZWN1cmUtc2VjcmV0LWZvci1kZWJ1Z2dpbmctb25seQ==",
}


def run(*command: str, cwd: Path = BASE_DIR, env: Mapping[str, str] = NOTHING) -> subprocess.CompletedProcess[str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(  # noqa: S603 - our own commands
        command,
        cwd=cwd,
        env={**kept, "ENV_FILE": os.devnull, **env},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with a space in its name and what make needs in it."""
    folder = tmp_path / "a checkout"
    folder.mkdir()
    for name in ("Makefile", "requirements.txt", "requirements-dev.txt"):
        shutil.copy(BASE_DIR / name, folder)
    return folder


def make_with_python(checkout: Path, script: str) -> list[str]:
    """What `make run` complains about where Python is a shell script."""
    python = checkout / "python"
    python.write_text(f"#!/bin/sh\n{script}\n")
    python.chmod(0o755)
    done = run("make", "run", f"PYTHON={python}", cwd=checkout)
    assert done.returncode != 0
    assert not (checkout / ".venv").exists()
    return [line for line in done.stderr.splitlines() if line.startswith("loginwatch: ")]


def test_make_alone_says_what_it_can_do() -> None:
    said = run("make").stdout
    for target in ("run", "install", "reset", "clean"):
        assert f"  make {target} " in said


def test_a_python_that_is_too_old_is_named(checkout: Path) -> None:
    (line,) = make_with_python(checkout, 'test "$1" = -V && echo "Python 3.9.2" && exit; exit 1')
    assert "is Python 3.9.2, and Python 3.11 or newer is needed" in line


def test_a_python_without_venv_is_named_with_the_remedy(checkout: Path) -> None:
    (line,) = make_with_python(checkout, 'case "$2" in *ensurepip*) exit 1;; esac')
    assert line.endswith("on Debian and Ubuntu, apt install python3-venv")


def test_a_python_that_is_not_there_is_named(checkout: Path) -> None:
    done = run("make", "run", "PYTHON=no-such-python", cwd=checkout)
    assert "loginwatch: there is no no-such-python: " in done.stderr


def test_gunicorn_refuses_wrong_settings_with_their_lines_alone(tmp_path: Path) -> None:
    done = run(*GUNICORN, env={"VAR_DIR": str(tmp_path)})
    assert done.returncode == 1
    assert {line.split(" ")[0] for line in done.stderr.splitlines()} == {"loginwatch:"}
    assert "loginwatch: SECRET_KEY is not set" in done.stderr


def test_gunicorn_refuses_a_site_whose_checks_fail_with_their_message(tmp_path: Path) -> None:
    done = run(*GUNICORN, env=PRODUCTION | {"SITE_URL": "http://example.com", "VAR_DIR": str(tmp_path)})
    assert done.returncode == 1
    assert "loginwatch.E002" in done.stderr
    assert "HINT: Serve the site over https" in done.stderr
    assert "Traceback" not in done.stderr


def test_reset_removes_no_folder_that_no_demo_made(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    done = run(sys.executable, "-m", "loginwatch.demo.reset", env={"VAR_DIR": str(tmp_path)})
    assert done.returncode == 0
    assert "There is nothing to forget" in done.stdout
    assert (tmp_path / "thesis.txt").exists()


@pytest.mark.parametrize("told_by", ["the environment", "a file"])
def test_reset_removes_what_a_demo_kept(told_by: str, tmp_path: Path) -> None:
    (tmp_path / "var" / "run").mkdir(parents=True)
    (tmp_path / "var" / "run" / "demo.lock").touch()
    env = {"VAR_DIR": str(tmp_path / "var")}
    if told_by == "a file":
        (tmp_path / "env").write_text(f"VAR_DIR={env['VAR_DIR']}\n")
        env = {"ENV_FILE": str(tmp_path / "env")}
    done = run(sys.executable, "-m", "loginwatch.demo.reset", env=env)
    assert done.returncode == 0
    assert not (tmp_path / "var").exists()
