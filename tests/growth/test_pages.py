"""A page costs what it shows."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import SignIn, User
from tests.accounts.browser import Browser
from tests.growth.filling import BUSY
from tests.growth.plans import assert_touched, explained
from workflows.models import Run

PAGES_OF_A_RUN = ("workflows:run", "workflows:run-panel", "workflows:run-json")


def assert_little_is_touched(client: Client, address: str, *, rows: int) -> None:
    with explained() as statements:
        assert client.get(address).status_code == 200
    assert_touched(statements, rows=rows, buffers=10 * rows)


def test_the_page_of_sign_ins(person: User) -> None:
    browser = Browser()
    browser.sign_in(person)

    # Seven sign-ins, each with its verdict and its run, and whether there is one more.
    assert_little_is_touched(browser.client, reverse("workflows:security"), rows=40)


def test_a_page_of_earlier_sign_ins(site: None, client: Client) -> None:
    client.force_login(User.objects.get(pk=BUSY))
    middle = SignIn.objects.filter(user=BUSY).order_by("-created_at")[5_000]

    assert_little_is_touched(client, reverse("workflows:earlier-sign-ins", args=[middle.pk]), rows=40)


def test_the_page_of_sign_ins_after_many_others(person: User) -> None:
    """This session's is not among those that are shown."""
    browser = Browser()
    own = browser.sign_in(person)
    for _ in range(25):
        Browser().sign_in(person)

    assert_little_is_touched(browser.client, reverse("workflows:security"), rows=40)
    assert SignIn.objects.filter(user=person, pk__gt=own.pk).count() == 25


def test_the_page_of_devices(person: User) -> None:
    """Whether its session is open is asked of each of a person's sign-ins, and of nobody else's."""
    browser = Browser()
    for _ in range(5):
        Browser().sign_in(person)
    browser.sign_in(person)
    # By a bitmap of an index each is touched twice.
    rows = 2 * SignIn.objects.filter(user=person).count() + 40

    assert_little_is_touched(browser.client, reverse("accounts:devices"), rows=rows)
    address = reverse("accounts:sign-out-others")
    with explained() as statements:
        assert browser.client.post(address).status_code == 302
    assert_touched(statements, rows=rows, buffers=10 * rows)


@pytest.mark.parametrize("name", PAGES_OF_A_RUN)
def test_the_pages_of_a_run(person: User, name: str) -> None:
    browser = Browser()
    run = Run.objects.get(sign_in=browser.sign_in(person))

    assert_little_is_touched(browser.client, reverse(name, args=[run.pk]), rows=20)


@pytest.mark.parametrize("name", PAGES_OF_A_RUN)
def test_the_pages_of_an_old_run_of_somebody_else(site: None, client: Client, name: str) -> None:
    User.objects.filter(pk=4711).update(is_staff=True)
    client.force_login(User.objects.get(pk=4711))
    run = Run.objects.filter(sign_in__user=BUSY).earliest("created_at")

    assert_little_is_touched(client, reverse(name, args=[run.pk]), rows=20)
