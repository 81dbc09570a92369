"""What fails once may have been chance and is said; what fails twice, or with many others, has failed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.legs import MOST_SECOND_TRIES, Leg, run, tried_again

pytestmark = pytest.mark.once

FAILS_THE_FIRST_TIME = """
from pathlib import Path

def test_chance():
    met = Path(__file__).with_name("met")
    first = not met.exists()
    met.touch()
    assert not first

def test_well():
    pass
"""


def leg_of(folder: Path, tests: str) -> Leg:
    file = folder / "test_it.py"
    file.write_text(tests)
    return Leg("trial", (str(file),))


def test_a_test_that_passes_by_itself_is_named_and_the_leg_ran(tmp_path: Path) -> None:
    first = run(tmp_path, leg_of(tmp_path, FAILS_THE_FIRST_TIME))
    assert not first.ok
    outcome = tried_again(tmp_path, first)
    assert outcome.ok
    (test,) = outcome.second_tries
    assert test.endswith("test_it.py::test_chance")


def test_a_test_that_fails_twice_has_failed(tmp_path: Path) -> None:
    first = run(tmp_path, leg_of(tmp_path, "def test_wrong():\n    assert False\n"))
    assert tried_again(tmp_path, first) == first
    assert first.text == "FAILED (pytest ended with 1)"


def test_many_that_fail_have_no_second_try(tmp_path: Path) -> None:
    several = "\n".join(
        FAILS_THE_FIRST_TIME.replace("chance", f"chance_{number}").replace('"met"', f'"met-{number}"')
        for number in range(MOST_SECOND_TRIES + 1)
    )
    first = run(tmp_path, leg_of(tmp_path, several))
    assert tried_again(tmp_path, first) == first
    assert not first.ok


def test_a_file_of_tests_that_cannot_be_read_has_failed(tmp_path: Path) -> None:
    first = run(tmp_path, leg_of(tmp_path, "import nothing_of_that_name\n"))
    assert not tried_again(tmp_path, first).ok
