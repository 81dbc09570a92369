"""The site, for web processes that die where it was planned: `gunicorn tests.crashes.web`."""

from __future__ import annotations

from loginwatch.wsgi import application
from tests.crashes.hooks import die_as_planned_at_a_sign_in
from tests.crashes.patience import change_patience

__all__ = ["application"]

change_patience()
die_as_planned_at_a_sign_in()
