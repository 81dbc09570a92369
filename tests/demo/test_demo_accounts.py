"""The accounts with the public password."""

from __future__ import annotations

import pytest
from allauth.account.models import EmailAddress
from django.core.exceptions import ImproperlyConfigured
from pytest_django import Settings

from accounts.models import User
from loginwatch.demo.accounts import create_demo_accounts
from loginwatch.demo.cast import PASSWORD

pytestmark = pytest.mark.django_db


@pytest.fixture
def demo_mode(settings: Settings) -> None:
    settings.LOGINWATCH_DEMO = True


def test_outside_demo_mode_none_is_made(settings: Settings) -> None:
    settings.LOGINWATCH_DEMO = False
    with pytest.raises(ImproperlyConfigured, match="in demo mode alone"):
        create_demo_accounts()
    assert not User.objects.exists()


def test_all_can_sign_in_at_once_and_one_is_the_operator(demo_mode: None) -> None:
    create_demo_accounts()
    users = User.objects.order_by("username")
    assert [(user.username, user.email, user.is_superuser) for user in users] == [
        ("admin", "admin@example.com", True),
        ("alice", "alice@example.com", False),
        ("bob", "bob@example.com", False),
    ]
    assert all(user.check_password(PASSWORD) for user in users)
    assert EmailAddress.objects.filter(verified=True, primary=True).count() == 3


def test_making_them_again_changes_nothing(demo_mode: None) -> None:
    create_demo_accounts()
    before = list(User.objects.order_by("pk").values())
    create_demo_accounts()
    assert list(User.objects.order_by("pk").values()) == before
    assert EmailAddress.objects.count() == 3


def test_a_password_that_was_changed_is_the_published_one_again(demo_mode: None) -> None:
    create_demo_accounts()
    alice = User.objects.get(username="alice")
    alice.set_password("something-else-entirely")
    alice.save()
    create_demo_accounts()
    assert User.objects.get(username="alice").check_password(PASSWORD)
