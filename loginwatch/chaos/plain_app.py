"""Puts the plain canvas in the place of the site's own, in processes that run with plain_settings."""

from __future__ import annotations

from django.apps import AppConfig


class PlainConfig(AppConfig):
    name = "loginwatch.chaos"
    label = "plain_canvas"

    def ready(self) -> None:
        """After workflows' own ``ready``, which INSTALLED_APPS has before it."""
        from accounts.signals import sign_in_recorded
        from loginwatch.chaos import plain
        from workflows import receivers

        sign_in_recorded.disconnect(receivers.on_sign_in_recorded)
        sign_in_recorded.connect(plain.on_sign_in_recorded)
