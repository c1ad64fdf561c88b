"""Records on disk: JSON objects, logs with one object per line that are appended to, CSV tables.

Each record is decoded into its type. A wrong type, NaN, a number out of range, a missing or an
extra key make it a damaged record, which is reported in one line.
"""

import contextlib
import csv
import io
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO, Generic, TypeVar

import msgspec

from prepare.records.files import (
    NotRegularError,
    lock_file,
    named_errors,
    open_regular,
    to_disk,
    write_bytes,
)
from prepare.records.settings import DamagedRecordError, explain_damage

Record = TypeVar("Record")

MAX_LOG_BYTES = 1 << 28  # a manifest of a million images
MAX_JSON_BYTES = 1 << 22  # in memory, an odd one takes up to 50 times as much


class JsonLines(Generic[Record]):
    """A log: one record a line, in the order in which they were added.

    If a kill cut off the last line, only its record is lost.
    """

    def __init__(
        self, path: Path, kind: type[Record], hint: str, *, skip_damaged: bool = False
    ) -> None:
        """Names the log; nothing is read or written.

        Args:
            path: of the file, which need not be there.
            kind: what a line holds: a `msgspec.Struct`, which may forbid further keys, a dataclass,
                or any other type that msgspec decodes.
            hint: what to do when the log is damaged, to follow a semicolon.
            skip_damaged: leaves out lines that are no records, of a log that only saves time.
        """
        self.path, self.hint, self.skip_damaged = path, hint, skip_damaged
        self._decoder = msgspec.json.Decoder(kind)

    def read(self) -> list[Record]:
        """The records; none where there is no file. Of two for one thing the later one holds.

        Raises:
            DamagedRecordError: if a whole line is no such record; or if the file is no regular one,
                too long, or cannot be read.
        """
        records = []
        with explain_damage(self.path, self.hint):
            for line in io.BytesIO(read_whole(self.path, self.hint) or b""):
                try:
                    records.append(self._decoder.decode(line))
                except (ValueError, RecursionError):
                    if line.endswith(b"\n") and line.strip() and not self.skip_damaged:
                        raise
        return records

    def append(self, records: Iterable[Record], *, sync: bool = False) -> None:
        """Adds records behind those that are there; from any thread, and beside other processes.

        An incomplete last line of a killed command is removed first. If only the line end is
        missing, it is added. With `sync` the records are on the disk when this returns.

        Raises:
            OSError: if they cannot be written; names the file.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        lines = b"".join(map(json_line, records))
        with named_errors(self.path), self.path.open("a+b") as file:
            with contextlib.suppress(OSError):  # a file system without locks
                lock_file(file)  # so that no line is taken for torn half-way
            last = unended_line(file)
            try:
                if last:
                    self._decoder.decode(last)
                    lines = b"\n" + lines
            except (ValueError, RecursionError):
                file.truncate(file.seek(-len(last), os.SEEK_END))
            file.write(lines)
            file.flush()
            if sync:
                to_disk(file.fileno())

    def rewrite(self, records: Iterable[Record]) -> None:
        """Puts records in the place of all that are there, atomically; OSError as for `append`."""
        write_bytes(self.path, b"".join(map(json_line, records)))


def unended_line(file: BinaryIO) -> bytes:
    """The text after the last line end of a file."""
    start = size = file.seek(0, os.SEEK_END)
    tail = b""
    while start and b"\n" not in tail:
        start = max(0, start - len(tail) - 4096)
        file.seek(start)
        tail = file.read(size - start)
    return tail.rpartition(b"\n")[2]


def json_line(record: Any) -> bytes:
    """A record as a line of JSON, spaced as Python's own `json` spaces it."""
    return msgspec.json.format(msgspec.json.encode(record), indent=0) + b"\n"


def read_json(path: Path, kind: type[Record], hint: str) -> Record | None:
    """The record that a file of JSON holds; None where there is no file.

    `kind` and `hint` are as for `JsonLines`; `dict` is the kind of an object of anything.
    DamagedRecordError if it is no such record, or as for `read_whole`.
    """
    content = read_whole(path, hint, MAX_JSON_BYTES)
    if content is None:
        return None
    with explain_damage(path, hint):
        return msgspec.json.decode(content, type=kind)


def read_whole(path: Path, hint: str, max_bytes: int = MAX_LOG_BYTES) -> bytes | None:
    """The bytes of a record; None where there is no file.

    Raises:
        DamagedRecordError: if it cannot be read, is no regular file, or longer than `max_bytes`.
    """
    try:
        with open_regular(path) as file:
            content = file.read(max_bytes + 1)
    except FileNotFoundError:
        return None
    except NotRegularError as error:
        raise DamagedRecordError(f"{path} is damaged (no regular file); {hint}") from error
    except OSError as error:
        reason = f"cannot be read ({error.strerror})"
        raise DamagedRecordError(f"{path} {reason}; make it readable, and try again") from error
    if len(content) > max_bytes:
        raise DamagedRecordError(f"{path} is damaged (more than {max_bytes} bytes); {hint}")
    return content


def read_log(path: Path, hint: str) -> list[dict[str, str]]:
    """The lines of a run's `log.csv` by column, as they are written; none where there is no file.

    A last line without its end was torn by a kill, and is left out. `hint` is as for `JsonLines`.

    Raises:
        DamagedRecordError: if it cannot be read, a line has too few or too many values, or a value
            is neither a number nor empty.
    """
    content = read_whole(path, hint) or b""
    with explain_damage(path, hint):
        text = content[: content.rfind(b"\n") + 1].decode()
        heading, *lines = list(csv.reader(io.StringIO(text, newline=""))) or [["step"]]
        if "step" not in heading:
            raise ValueError("no column step")
        if any(len(line) != len(heading) for line in lines):
            raise ValueError("a line has not as many values as the heading")
        rows = [dict(zip(heading, line, strict=True)) for line in lines]
        for row in rows:
            for column, value in row.items():
                int(value) if column == "step" else float(value or 0)
        return rows
