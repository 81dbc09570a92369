"""What is ended is ended wholly, whoever presses Ctrl-C meanwhile."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from loginwatch.chaos.interrupts import undisturbed

pytestmark = pytest.mark.once


def test_an_interrupt_is_not_heard_until_the_block_ends() -> None:
    with undisturbed():
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_a_thread_which_hears_none_changes_nothing() -> None:
    heard = []

    def ending() -> None:
        with undisturbed():
            heard.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=ending)
    thread.start()
    thread.join()

    assert heard == [signal.getsignal(signal.SIGINT)]
