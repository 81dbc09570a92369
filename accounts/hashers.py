"""How passwords are hashed."""

from __future__ import annotations

from django.contrib.auth.hashers import Argon2PasswordHasher


class LeanArgon2PasswordHasher(Argon2PasswordHasher):
    """Argon2id with 46 MiB, one pass and one lane: the first of the equal choices in OWASP's Password Storage
    Cheat Sheet.

    Django's own numbers (100 MiB, two passes, eight lanes) take four times the processor for each sign-in, and eight
    threads for each attempt that a guesser makes.
    """

    time_cost = 1
    memory_cost = 46 * 1024  # KiB
    parallelism = 1
