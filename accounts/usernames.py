"""What a user name may be."""

from __future__ import annotations

import unicodedata

from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db.models import Value
from django.db.models.functions import Lower

from accounts.models import User


def validate_plain(name: str) -> None:
    """Refuse a name with a sign that stands for others, as a ligature or a letter of full width.

    It looks like another name, and databases differ about which it is the same as. It is refused and not replaced:
    at the next sign-in its person would type it again.
    """
    plain = unicodedata.normalize("NFKC", name)
    if plain != name:
        raise ValidationError(f"Write this user name in plain letters: {plain}")


# ACCOUNT_USERNAME_VALIDATORS. No @: what is typed at sign-in is a user name or an e-mail address, never both.
validators = [RegexValidator(r"^[\w.+-]+\Z", "A user name has letters, digits and . + - _ only."), validate_plain]


def is_taken(name: str) -> bool:
    """By the database's rule: allauth compares upper case, of which two may share one lower case (ẞ and ß)."""
    return User.objects.alias(lowered=Lower("username")).filter(lowered=Lower(Value(name))).exists()
