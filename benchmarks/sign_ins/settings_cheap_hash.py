"""The site's settings with a password hash that costs nothing, so that what else a sign-in costs shows beside it."""

from __future__ import annotations

from loginwatch.settings import *  # noqa: F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
