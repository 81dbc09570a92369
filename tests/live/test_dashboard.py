"""What the dashboard shows of the workers that run."""

from __future__ import annotations

import pytest
from django.core.cache import cache

from loginwatch.dashboard import site
from loginwatch.tasks import show_at_start
from tests.waiting import wait_for


@pytest.mark.usefixtures("empty_broker", "worker")
def test_who_answers_is_noted_when_beat_starts() -> None:
    cache.delete(site.WORKERS_KEY)

    def noted() -> list[str]:
        """A worker on a busy machine may not answer in time; one that is asked for nothing never does."""
        show_at_start()
        _, workers = wait_for(lambda: cache.get(site.WORKERS_KEY), "it is noted who answered")
        return [name.partition("@")[0] for name in workers]

    assert wait_for(noted, "the worker answers") == ["worker"]
    assert not [fact for fact in site.facts() if "no worker serves it" in fact.value]
