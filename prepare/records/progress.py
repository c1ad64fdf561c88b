"""Counts and progress: a bar in a terminal, or lines of JSON for the program that runs it."""

import os
from typing import Any

import msgspec
from tqdm import tqdm


def counted(number: int, one: str, several: str = "") -> str:
    """A number and what it counts: "1 pair", "2 pairs"."""
    return f"{number} {one if number == 1 else several or one + 's'}"


class ProgressRecord(msgspec.Struct, forbid_unknown_fields=True):
    """A line of JSON: {"name": "pairs", "done": 3, "total": 10}."""

    name: str
    done: int
    total: int


class Progress(tqdm):
    """A bar in a terminal, and nothing elsewhere; with PROGRESS=json, records in its place."""

    def __init__(self, *, name: str, total: int, unit: str, hidden: bool = False) -> None:
        """Begins at 0; counts units, named in the singular; if hidden, shows nothing at all."""
        self.writes_records = os.environ.get("PROGRESS") == "json"
        shown = False if self.writes_records else None  # None: in a terminal
        super().__init__(desc=name, total=total, unit=unit, disable=hidden or shown)

    def display(self, msg: str | None = None, pos: int | None = None) -> Any:
        """Shows how far it is; tqdm calls it, ten times a second at most."""
        if not self.writes_records:
            return super().display(msg, pos)
        record = ProgressRecord(str(self.desc), int(self.n), int(self.total or 0))
        print(msgspec.json.encode(record).decode(), file=self.fp, flush=True)
        return True
