"""The signals that end a command, and how a step is finished and recorded before one does."""

import contextlib
import signal
from collections.abc import Iterator

# Ctrl-C, `kill`, and a terminal that was closed (which Windows does not know).
SIGNALS = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
]


def heeded_signals() -> list[int]:
    """Those that are not ignored: `nohup` has SIGHUP ignored, and then it stays so."""
    return [number for number in SIGNALS if signal.getsignal(number) != signal.SIG_IGN]


@contextlib.contextmanager
def deferred_interrupts() -> Iterator[list[int]]:
    """Collects signals until a step is whole and recorded; a second one acts at once."""
    received: list[int] = []

    def note(number: int, _frame: object) -> None:
        if received:
            raise KeyboardInterrupt
        received.append(number)

    previous = {number: signal.signal(number, note) for number in heeded_signals()}
    try:
        yield received
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
