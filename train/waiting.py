"""What a terminal shows of work that cannot tell how far it is."""

import contextlib
import time
from collections.abc import Iterator
from threading import Event, Thread
from typing import TextIO


@contextlib.contextmanager
def waiting(what: str, terminal: TextIO, interval_s: float = 0.5) -> Iterator[None]:
    """Tells on one line of a terminal for how long something has gone on; takes it away after.

    Args:
        what: goes on in the body of the `with`.
        terminal: gets the line; nothing if it is none.
        interval_s: between two tellings.
    """
    if not terminal.isatty():
        yield
        return
    over, begun_s = Event(), time.monotonic()

    def tell() -> None:
        while not over.wait(interval_s):
            told = f"\r{what}: {time.monotonic() - begun_s:.0f} s "
            print(told, end="", file=terminal, flush=True)

    teller = Thread(target=tell, daemon=True)
    teller.start()
    try:
        yield
    finally:
        over.set()
        teller.join()
        print("\r\x1b[K", end="", file=terminal, flush=True)
