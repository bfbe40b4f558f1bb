"""Ending a run in good order, whoever asks for it."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def terminate_like_interrupt() -> Iterator[None]:
    """Treat SIGTERM like Ctrl-C, and put back the handlers of both at the end.

    A batch system's stop then ends the run in good order. Ray replaces both handlers, when it
    starts and when it trains, and restores neither; so this is used around the whole command and
    again around the training.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    signal.signal(signal.SIGTERM, lambda *_: os.kill(os.getpid(), signal.SIGINT))
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
