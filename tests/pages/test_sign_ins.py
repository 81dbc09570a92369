"""The list of sign-ins, and who may see which run."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from accounts.models import SignIn, User
from tests.pages.browsing import page_of, signed_in
from workflows.models import Run


def test_recent_sign_ins_link_to_their_runs(alice: User, bob: User, make_run: Callable[..., Run]) -> None:
    mine = [make_run(alice, ip_address="2001:db8::1", place="Utrecht, Netherlands") for _ in range(3)]
    others = make_run(bob)
    page = page_of(signed_in(alice, mine[0]), reverse("workflows:security"))
    rows = page.find("table", id="sign-ins")
    assert rows.text.count("2001:db8::1") == 3 and rows.text.count("this sign-in") == 1
    assert {reverse("workflows:run", args=[run.pk]) for run in mine} <= set(page.values("href"))
    assert str(others.pk) not in page.html


def test_who_finds_a_sign_in_that_was_not_theirs_is_led_to_what_helps(
    alice: User, make_run: Callable[..., Run]
) -> None:
    page = page_of(signed_in(alice, make_run(alice)), reverse("workflows:security"))
    lead = page.html[page.html.index('<p class="lead">') :].partition("</p>")[0]
    for name in ("account_change_password", "accounts:devices"):
        assert f'href="{reverse(name)}"' in lead


def test_earlier_sign_ins_are_a_page_away(alice: User, bob: User, make_run: Callable[..., Run]) -> None:
    runs = [make_run(alice) for _ in range(17)]
    others = make_run(bob)
    # Of several at the same time none is left out.
    SignIn.objects.filter(run__in=runs[2:15]).update(created_at=runs[2].created_at)
    newest = list(SignIn.objects.filter(user=alice).order_by("-created_at", "-pk").values_list("run", flat=True))
    client = signed_in(alice, runs[-1])
    address, seen = reverse("workflows:security"), []
    for number in range(3):
        page = page_of(client, address)
        seen.append([run for run in newest if f'id="row-{run}"' in page.html])
        assert str(others.pk) not in page.html
        links = [link for link in page.values("href") if "/before/" in link]
        assert len(links) == (number < 2)
        assert f'aria-current="{"true" if number else "page"}">Security' in page.html
        address = links[0] if links else ""
    assert seen == [newest[:7], newest[7:14], newest[14:]]


def test_earlier_sign_ins_than_the_first_are_none_and_others_are_not_shown(
    alice: User, bob: User, make_run: Callable[..., Run]
) -> None:
    first, others = make_run(alice).sign_in, make_run(bob).sign_in
    client = signed_in(alice)
    addresses = [reverse("workflows:earlier-sign-ins", args=[pk]) for pk in (first.pk, others.pk, 10**30)]
    assert "There are none." in page_of(client, addresses[0]).text
    assert [client.get(address).status_code for address in addresses] == [200, 404, 404]
    assert Client().get(addresses[0]).status_code == 302


def test_more_sign_ins_cost_no_more_queries(
    alice: User, make_run: Callable[..., Run], django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    runs = [make_run(alice) for _ in range(15)]
    client = signed_in(alice, runs[-1])
    # The session, the person, the sign-ins, whether there are more, a glance at the run, the run, its steps.
    with django_assert_max_num_queries(7):
        client.get(reverse("workflows:security"))


@pytest.mark.parametrize("view", ["workflows:run", "workflows:run-panel", "workflows:run-json"])
def test_a_run_is_for_its_person_and_for_staff(
    view: str, alice: User, bob: User, admin: User, make_run: Callable[..., Run]
) -> None:
    address = reverse(view, args=[make_run(alice).pk])
    assert [signed_in(user).get(address).status_code for user in (alice, admin, bob)] == [200, 200, 404]
    assert Client().get(address).status_code in (302, 404)


def test_staff_are_told_whose_run_it_is(alice: User, admin: User, make_run: Callable[..., Run]) -> None:
    run = make_run(alice)
    address = reverse("workflows:run", args=[run.pk])
    assert "alice (alice@example.com) signed in on" in page_of(signed_in(admin), address).text
    assert "You signed in on" in page_of(signed_in(alice), address).text
    assert "Back to your sign-ins" in page_of(signed_in(alice), address).text
    assert "your" not in page_of(signed_in(admin), address).find("main").text.lower()
