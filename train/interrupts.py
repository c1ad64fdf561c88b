"""Lets a step be finished and recorded before a signal ends the run."""

import contextlib
import signal
from collections.abc import Iterator

# Ctrl-C, `kill`, and a terminal that was closed (which Windows does not know).
SIGNALS = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
]


@contextlib.contextmanager
def deferred_interrupts() -> Iterator[list[int]]:
    """Collects signals until a step is whole and recorded; a second one acts at once.

    One that was ignored when the run began, as `nohup` does with SIGHUP, stays ignored.
    """
    received: list[int] = []

    def note(number: int, _frame: object) -> None:
        if received:
            raise KeyboardInterrupt
        received.append(number)

    caught = [number for number in SIGNALS if signal.getsignal(number) != signal.SIG_IGN]
    previous = {number: signal.signal(number, note) for number in caught}
    try:
        yield received
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
