"""docs/devices.md says what the program does."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

from accounts import devices, notices
from accounts.models import SignIn

PAGE = (Path(__file__).parents[2] / "docs" / "devices.md").read_text()


def test_the_page_has_a_row_for_every_reason_and_says_rightly_whether_a_notice_is_sent() -> None:
    rows = re.findall(r"^\|[^|]+\| `(\w+)` \| `(\w+)` \| (yes|no) \|$", PAGE, re.MULTILINE)

    assert {reason for _, reason, _ in rows} == set(SignIn.DeviceReason.values)
    for status, reason, notice in rows:
        sign_in = SignIn(device_status=SignIn.DeviceStatus(status), device_reason=reason)
        assert notices.is_worth_a_notice(sign_in) == (notice == "yes"), reason


def test_the_page_gives_the_numbers_of_the_rules() -> None:
    assert timedelta(days=30) == devices.RECENT and "30 days" in PAGE
    assert timedelta(minutes=1) == devices.SAME_MOMENT and "one minute" in PAGE
