"""`python -m loginwatch.chaos.prepare name …`: migrates the private copy's database and makes its users."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import django
from django.core.management import call_command

from loginwatch.demo.cast import PASSWORD, address_of


def make_users(names: Sequence[str]) -> None:
    """With verified addresses and the cast's public password, which is hashed once for all."""
    from allauth.account.models import EmailAddress
    from django.contrib.auth.hashers import make_password

    from accounts.models import User

    password = make_password(PASSWORD)
    people = User.objects.bulk_create(User(username=name, email=address_of(name), password=password) for name in names)
    EmailAddress.objects.bulk_create(
        EmailAddress(user=user, email=user.email, verified=True, primary=True) for user in people
    )


def main(names: Sequence[str]) -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "loginwatch.settings")
    django.setup()
    call_command("migrate", interactive=False, verbosity=0)
    make_users(names)


if __name__ == "__main__":
    main(sys.argv[1:])
