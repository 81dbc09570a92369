"""What an operator types into a list's search box, and what is found by it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.test import Client
from django_celery_results.models import TaskResult

from accounts.models import SignIn, User
from accounts.searching import MOST_PEOPLE, find_people
from workflows.models import Run, task_id_of
from workflows.runs import create_run

SIGN_INS = "/admin/accounts/signin/"
USERS = "/admin/accounts/user/"
ADDRESSES = "/admin/account/emailaddress/"


@pytest.fixture
def operator(client: Client, admin: User) -> Client:
    client.force_login(admin)
    SignIn.objects.all().delete()
    return client


Search = Callable[[str, str], set[Any]]


@pytest.fixture
def found(operator: Client) -> Search:
    def search(address: str, words: str) -> set[Any]:
        answer = operator.get(address, {"q": words})
        assert answer.status_code == 200
        return set(answer.context["cl"].queryset)

    return search


def person(name: str, **values: str) -> User:
    return User.objects.create(username=name, email=values.get("email", f"{name}@example.com"))


def sign_in(user: User, ip: str | None) -> SignIn:
    token = f"{user.username} {SignIn.objects.count()}"
    return SignIn.objects.create(user=user, ip_address=ip, issued_token=token)


@pytest.mark.parametrize(
    "words",
    ["carol@example.com", "carol@", "car", "Carol", "CAROL@Example.COM", "Caro", "  carol@example.com  "],
)
def test_a_person_is_found_by_address_or_name_or_how_it_begins(found: Search, words: str) -> None:
    carol = person("Carol", email="carol@example.com")
    person("dave")

    assert found(USERS, words) == {carol}


def test_an_address_is_found_by_itself_and_by_whose_it_is(found: Search) -> None:
    carol = person("carol")
    first, second = (
        EmailAddress.objects.create(user=carol, email=email) for email in ("carol@example.com", "work@example.net")
    )
    EmailAddress.objects.create(user=person("dave"), email="dave@example.com")

    assert found(ADDRESSES, "Work@example.NET") == {second}
    assert found(ADDRESSES, "carol") == {first, second}


def test_a_part_within_a_name_finds_nobody(found: Search) -> None:
    person("carol")

    assert found(USERS, "arol") == set()


@pytest.mark.parametrize(
    ("words", "addresses"),
    [
        ("192.0.2.7", {"192.0.2.7"}),
        ("192.0.2.0/24", {"192.0.2.7", "192.0.2.200"}),
        ("192.0.2.9/24", {"192.0.2.7", "192.0.2.200"}),
        ("192.0.2.0/28", {"192.0.2.7"}),
        ("0.0.0.0/0", {"192.0.2.7", "192.0.2.200", "198.51.100.1"}),
        ("2001:db8::/32", {"2001:db8::1"}),
        ("2001:DB8:0::1", {"2001:db8::1"}),
        ("::/0", {"2001:db8::1"}),
        ("203.0.113.1", set()),
        ("fe80::1%eth0", set()),
        ("192.0.2.7/33", set()),
        ("carol 192.0.2.0/24", {"192.0.2.7"}),
        ("carol dave", set()),
        ("%", set()),
        ("'; --", set()),
        ("\\", set()),
    ],
)
def test_a_sign_in_is_found_by_its_address_or_network(found: Search, words: str, addresses: set[str]) -> None:
    carol, dave = person("carol"), person("dave")
    sign_in(carol, "192.0.2.7")
    sign_in(carol, "2001:db8::1")
    sign_in(carol, None)
    sign_in(dave, "192.0.2.200")
    sign_in(dave, "198.51.100.1")

    assert {row.ip_address for row in found(SIGN_INS, words)} == addresses


@pytest.mark.parametrize("network", ["192.0.2.0/24", "192.0.2.9/24"])
def test_a_network_can_be_asked_for_in_the_address(operator: Client, network: str) -> None:
    inside, _ = sign_in(person("carol"), "192.0.2.7"), sign_in(person("dave"), "198.51.100.1")

    assert set(operator.get(SIGN_INS, {"ip_address__within": network}).context["cl"].queryset) == {inside}


def test_a_run_and_its_results_are_found_by_its_id(found: Search) -> None:
    run = create_run(sign_in(person("carol"), "192.0.2.7"))
    create_run(sign_in(person("dave"), "192.0.2.8"))
    result = TaskResult.objects.create(task_id=task_id_of(run.pk, "save_event"))
    TaskResult.objects.create(task_id="another")

    for words in (str(run.pk), str(run.pk).upper(), run.pk.hex, "carol", "192.0.2.7"):
        assert found("/admin/workflows/run/", words) == {Run.objects.get(pk=run.pk)}
    assert found("/admin/django_celery_results/taskresult/", str(run.pk)) == {result}
    assert found("/admin/django_celery_results/taskresult/", "carol") == set()


def test_a_word_that_means_too_many_people_says_so(operator: Client) -> None:
    User.objects.bulk_create(User(username=f"many-{n}", email=f"many-{n}@example.com") for n in range(MOST_PEOPLE + 1))

    page = operator.get(USERS, {"q": "many"}).content.decode()

    assert len(find_people("many")) == MOST_PEOPLE + 1
    assert f"may mean more than {MOST_PEOPLE} people" in page
    assert f"{MOST_PEOPLE} users" in page


def test_of_too_many_people_a_word_means_the_first_each_time(db: None) -> None:
    names = [f"many-{n:03}" for n in range(2 * MOST_PEOPLE)]
    User.objects.bulk_create(User(username=name, email=f"{name}@example.com") for name in reversed(names))
    first = list(User.objects.filter(username__in=names).order_by("pk").values_list("pk", flat=True))
    User.objects.filter(pk__in=first[::2]).update(first_name="Ann")  # PostgreSQL writes them anew, behind the others

    assert find_people("many") == first[: MOST_PEOPLE + 1]


def test_the_box_says_what_can_be_searched_for(operator: Client) -> None:
    page = operator.get(SIGN_INS).content.decode()

    assert "Search by a person&#x27;s e-mail address or user name, or how it begins; an IP address or a network" in page
