"""The private copy: a whole site, of which nothing is left."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from loginwatch.chaos.copy import USERS, PrivateCopy
from loginwatch.demo.cast import PASSWORD, address_of
from loginwatch.demo.environment import mark_of
from loginwatch.demo.leftovers import marked_processes
from tests.waiting import wait_for

pytestmark = pytest.mark.once


def sign_in(copy: PrivateCopy, name: str) -> int:
    with httpx.Client(base_url=copy.url, headers={"X-Forwarded-For": "198.18.0.1"}, timeout=30) as client:
        client.get("/accounts/login/").raise_for_status()
        form = {"login": address_of(name), "password": PASSWORD, "csrfmiddlewaretoken": client.cookies["csrftoken"]}
        return client.post("/accounts/login/", data=form).status_code


def test_people_sign_in_and_are_told_of_a_new_device(private_copy: PrivateCopy) -> None:
    name = private_copy.users[0]

    assert sign_in(private_copy, name) == httpx.codes.FOUND
    assert sign_in(private_copy, name) == httpx.codes.FOUND

    # The first device of an account is worth no mail, the second is.
    wait_for(private_copy.mails, "the mail is accepted", seconds=60)
    assert [mail.recipient for mail in private_copy.mails()] == [address_of(name)]
    assert private_copy.database_outages() == []


def test_what_an_interrupted_block_leaves_is_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "copy"

    def interrupted() -> None:
        with PrivateCopy(folder, engine="sqlite") as copy:
            assert len(copy.users) == len(set(copy.users)) == len(USERS)
            assert len(marked_processes(mark_of(folder))) >= len(copy.parts)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()

    wait_for(lambda: not marked_processes(mark_of(folder)), "all have ended")
