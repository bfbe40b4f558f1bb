"""Ending a command in good order, whoever asks for it and whatever Ray does with the signals."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

ENDING = (signal.SIGINT, signal.SIGTERM)
PATIENCE = 2
"""Signals that wait where they are kept; whoever sends more wants no good order."""

_set_handler = signal.signal


class _State:
    asked = 0
    """How often the end was asked for."""
    kept = False
    """Whether it has to wait."""


def interrupted() -> bool:
    """Whether the user, or a batch system, has asked for the end of the command."""
    return _State.asked > 0


def raise_if_interrupted() -> None:
    """Raise KeyboardInterrupt if that was asked for: libraries swallow what is raised in them."""
    if interrupted():
        raise KeyboardInterrupt


def keep_signals() -> None:
    """Let a signal wait from here to the end of `interruptible`, which then raises it."""
    _State.kept = True


@contextmanager
def signals_waiting() -> Iterator[None]:
    """Let signals wait while modules are imported: raised within one that is compiled, they may be
    swallowed."""
    kept, _State.kept = _State.kept, True
    try:
        yield
    finally:
        _State.kept = kept
    if not kept:
        raise_if_interrupted()


def _ask(number: int, frame: Any) -> None:
    _State.asked += 1
    if not _State.kept or _State.asked > PATIENCE:
        raise KeyboardInterrupt


@contextmanager
def interruptible(*, outlasting: bool = False) -> Iterator[None]:
    """Treat SIGTERM like Ctrl-C: both raise KeyboardInterrupt, at once or where they are kept.

    With ``outlasting``, the end of the terminal is no end of the command.
    """
    handlers: dict[signal.Signals, Any] = dict.fromkeys(ENDING, _ask)
    if outlasting:
        handlers[signal.SIGHUP] = signal.SIG_IGN
    before = {number: signal.getsignal(number) for number in handlers}
    outer, _State.kept, _State.asked = _State.kept, False, 0
    _set_all(handlers)
    try:
        yield
        if _State.kept:
            raise_if_interrupted()
    finally:
        _State.kept, _State.asked = outer, 0
        _set_all(before)


@contextmanager
def handlers_held() -> Iterator[None]:
    """Keep signals and their handlers while Ray starts, trains or ends.

    Ray sets handlers of its own for both and restores none, also past Python, and a signal that is
    raised within its code may be lost in it, or break it.
    """
    kept, _State.kept = _State.kept, True
    signal.signal = _hold  # type: ignore[assignment]
    try:
        yield
    finally:
        signal.signal, _State.kept = _set_handler, kept
        restore_handlers()
        if interrupted():
            # Ray's handler, which passed it on, has set an alarm to abort the process.
            signal.alarm(0)


def restore_handlers() -> None:
    """Set the handlers again that Python knows of, where native code has set others."""
    _set_all({number: signal.getsignal(number) for number in ENDING})


def _hold(number: Any, handler: Any) -> Any:
    return signal.getsignal(number) if number in ENDING else _set_handler(number, handler)


def _set_all(handlers: dict[signal.Signals, Any]) -> None:
    # Elsewhere Python does not allow it, and signals do not arrive.
    if threading.current_thread() is threading.main_thread():
        for number, handler in handlers.items():
            _set_handler(number, handler)
