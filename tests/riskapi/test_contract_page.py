"""docs/risk-api.md: its examples work, and its tables say what the program does."""

from __future__ import annotations

import re

import pytest

from riskapi import rule
from riskapi.schema import Assessment, AssessmentRequest
from tests.riskapi.server import CHECKOUT

PAGE = (CHECKOUT / "docs" / "risk-api.md").read_text()


def example(language: str) -> str:
    found = re.search(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert found, language
    return found[1]


def test_the_verification_example_runs() -> None:
    exec(compile(example("python"), "docs/risk-api.md", "exec"), {})  # noqa: S102 - our own page


def test_the_request_of_the_page_gets_the_answer_of_the_page() -> None:
    asked = AssessmentRequest.model_validate_json(example("json request"))
    answer = Assessment.model_validate_json(example("json response"))
    found = rule.judge(asked, rule.History())

    assert (found.score, found.level, found.decision) == (answer.score, answer.level, answer.decision)
    assert found.reasons == answer.reasons


@pytest.mark.parametrize(
    ("code", "points"),
    [
        ("new_device", rule.NEW_DEVICE),
        ("suspicious_device", rule.SUSPICIOUS_DEVICE),
        ("new_network", rule.NEW_NETWORK),
        ("new_country", rule.NEW_COUNTRY),
        ("recent_failures", rule.FAILURES_MOST),
    ],
)
def test_the_page_gives_the_points_of_the_rule(code: str, points: int) -> None:
    assert re.search(rf"^\| `{code}` \|.*\| {points} \|$", PAGE, re.MULTILINE)
