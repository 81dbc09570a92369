"""Fields of this site's own."""

from __future__ import annotations

from typing import Any

from django.db import models


class LowerCaseEmailField(models.EmailField):  # type: ignore[type-arg]  # at run time it is not generic
    """An e-mail address that is written, and asked for, in lower case, whoever does it.

    So allauth keeps its own, and so it looks them up.
    """

    def to_python(self, value: Any) -> Any:
        """What forms and fixtures take, and what goes to the database."""
        address = super().to_python(value)
        return address.lower() if isinstance(address, str) else address
