"""That these tests would see what they look for."""

from __future__ import annotations

import pytest

from accounts.models import SignIn
from tests.growth.filling import SIGN_INS, STEPS
from tests.growth.plans import assert_touched, big_tables, explained
from workflows.models import Step


@pytest.mark.usefixtures("site")
def test_the_site_is_big() -> None:
    assert (SignIn.objects.count(), Step.objects.count()) == (SIGN_INS, STEPS)
    assert {"accounts_user", "accounts_signin", "workflows_run", "workflows_step", "cache"} <= big_tables()


@pytest.mark.usefixtures("site")
def test_a_statement_that_reads_a_whole_table_is_seen() -> None:
    with explained() as statements:
        assert not SignIn.objects.filter(user_agent="none").exists()

    (statement,) = statements
    assert statement.scanned == {"accounts_signin"}
    assert statement.rows >= SIGN_INS
    assert statement.buffers > 1000
    with pytest.raises(AssertionError):
        assert_touched(statements, rows=2 * SIGN_INS, buffers=SIGN_INS)


@pytest.mark.usefixtures("site")
def test_a_statement_that_reads_a_whole_index_is_seen() -> None:
    with explained() as statements:
        list(SignIn.objects.filter(user_agent="none").order_by("pk")[:1])

    assert statements[0].rows >= SIGN_INS
    with pytest.raises(AssertionError):
        assert_touched(statements, rows=SIGN_INS - 1, buffers=SIGN_INS)


@pytest.mark.usefixtures("site")
def test_what_an_explained_statement_writes_is_written_once() -> None:
    with explained() as statements:
        assert SignIn.objects.filter(pk=1).update(browser="Lynx") == 1

    assert_touched(statements, rows=1, buffers=100)
    assert SignIn.objects.get(pk=1).browser == "Lynx"
