"""A run to look at."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from accounts.models import SignIn, User
from workflows.models import Run
from workflows.runs import create_run


@pytest.fixture
def make_run(db: None) -> Callable[..., Run]:
    """Makes a sign-in with its run, all steps waiting; takes the fields of the sign-in."""

    def make(user: User, **fields: Any) -> Run:
        token = f"token {SignIn.objects.count()}"
        return create_run(SignIn.objects.create(user=user, issued_token=token, **fields))

    return make
