"""The rule, without a server or a store."""

from __future__ import annotations

from typing import Any

import pytest

from riskapi.rule import History, judge, level_of, network_of
from riskapi.schema import AssessmentRequest
from tests.riskapi.caller import HOTEL, facts

AT_HOME = History(networks=frozenset({"192.0.2.0/24"}), countries=frozenset({"PT"}))
NEW = {"status": "new", "reason": "no_match"}
AWAY = {"ip": HOTEL, "country": "PT"}
ABROAD = {"ip": HOTEL, "country": "JP"}


def points(asked: dict[str, Any], history: History) -> dict[str, int]:
    found = judge(AssessmentRequest.model_validate(facts(**asked)), history)
    return {reason.code: reason.points for reason in found.reasons}


@pytest.mark.parametrize(
    ("sign_in", "score", "level"),
    [
        pytest.param({}, 0, "low", id="nothing new"),
        pytest.param(AWAY, 15, "low", id="a new network"),
        pytest.param({"failures": 2}, 20, "low", id="two failures"),
        pytest.param(NEW, 30, "medium", id="a new device"),
        pytest.param({"failures": 3}, 30, "medium", id="three failures"),
        pytest.param({"reason": "os_changed"}, 40, "medium", id="another operating system"),
        pytest.param({"reason": "token_replayed"}, 40, "medium", id="a replayed token"),
        pytest.param(ABROAD, 45, "medium", id="travelling with the old device"),
        pytest.param({**AWAY, "failures": 999}, 45, "medium", id="failures by anybody, and a new network"),
        pytest.param({**NEW, "failures": 9}, 60, "medium", id="a new telephone and much mistyping"),
        pytest.param({"status": "new", "reason": "token_replayed"}, 70, "high", id="a copied cookie"),
        pytest.param({**ABROAD, **NEW}, 75, "high", id="everything new"),
        pytest.param({**ABROAD, **NEW, "failures": 9}, 100, "high", id="more than a hundred points"),
    ],
)
def test_what_each_situation_amounts_to(sign_in: dict[str, Any], score: int, level: str) -> None:
    found = judge(AssessmentRequest.model_validate(facts(**sign_in)), AT_HOME)

    assert (found.score, found.level) == (score, level)
    assert found.score == min(100, sum(reason.points for reason in found.reasons))
    assert found.decision == {"low": "allow", "medium": "challenge", "high": "deny"}[level]
    assert found.learn == (level != "high")


@pytest.mark.parametrize(
    ("sign_in", "history", "expected"),
    [
        pytest.param({"status": "new", "reason": "first_device"}, History(), {}, id="the first device"),
        pytest.param({"status": "probably_known", "reason": "same_network"}, AT_HOME, {}, id="probably known"),
        pytest.param(ABROAD, History(), {}, id="no history"),
        pytest.param(
            ABROAD, History(countries=frozenset({"PT"})), {"new_country": 30}, id="history of countries alone"
        ),
        pytest.param(
            ABROAD, History(networks=frozenset({"192.0.2.0/24"})), {"new_network": 15}, id="history of networks alone"
        ),
        pytest.param({"ip": None, "country": None}, AT_HOME, {}, id="nothing known of the client"),
        pytest.param({"ip": "192.0.2.255"}, AT_HOME, {}, id="the same /24"),
        pytest.param({"failures": 1}, AT_HOME, {"recent_failures": 10}, id="one failure"),
        pytest.param({"failures": 2**31 - 1}, AT_HOME, {"recent_failures": 30}, id="very many failures"),
        pytest.param(
            {"status": "new", "reason": "untrusted"}, AT_HOME, {"new_device": 30}, id="a device no longer trusted"
        ),
        pytest.param(
            {"status": "new", "reason": "os_changed"},
            AT_HOME,
            {"new_device": 30, "suspicious_device": 40},
            id="new and suspicious",
        ),
    ],
)
def test_what_each_reason_gives(sign_in: dict[str, Any], history: History, expected: dict[str, int]) -> None:
    assert points(sign_in, history) == expected


def test_reasons_are_sentences_for_people() -> None:
    everything = facts(status="new", reason="os_changed", failures=1, **ABROAD)
    texts = [reason.text for reason in judge(AssessmentRequest.model_validate(everything), AT_HOME).reasons]

    assert len(texts) == 5
    assert all(text[0].isupper() and text.endswith(".") for text in texts)
    assert "One failed sign-in came shortly before." in texts


@pytest.mark.parametrize(("score", "level"), [(0, "low"), (29, "low"), (30, "medium"), (69, "medium"), (70, "high")])
def test_levels_begin_at_30_and_70(score: int, level: str) -> None:
    assert level_of(score) == level


@pytest.mark.parametrize(
    ("ip", "network"),
    [
        (None, None),
        ("192.0.2.200", "192.0.2.0/24"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("::1", "::/64"),
    ],
)
def test_the_network_of_an_address(ip: str | None, network: str | None) -> None:
    assert network_of(ip) == network


def test_a_device_that_is_not_trusted_since_a_password_reset_is_not_said_to_be_unknown() -> None:
    found = judge(AssessmentRequest.model_validate(facts(status="new", reason="untrusted")), AT_HOME)

    (reason,) = found.reasons
    assert (
        reason.text
        == "This device has lost its trust: by a password reset, a sign-in denied or disowned, or its owner."
    )
