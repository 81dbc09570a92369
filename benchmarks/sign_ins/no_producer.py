"""Takes Loginwatch's producer out of a site: the receiver that makes a run of each sign-in and publishes it."""

from __future__ import annotations

from django.apps import AppConfig


class NoProducer(AppConfig):
    """To stand behind ``workflows`` in INSTALLED_APPS, which connects the receiver. Raises StillThere."""

    name = "benchmarks.sign_ins"

    def ready(self) -> None:
        disconnect()


class StillThere(Exception):
    """The receiver was not connected under this name, so it could not be taken out."""


def disconnect() -> None:
    """Raises StillThere."""
    from accounts.signals import sign_in_recorded
    from workflows.receivers import on_sign_in_recorded

    if not sign_in_recorded.disconnect(on_sign_in_recorded):
        raise StillThere(on_sign_in_recorded.__name__)
