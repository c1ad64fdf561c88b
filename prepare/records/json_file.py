"""Reads JSON that anything may have happened to: what is odd is a damaged record, never a crash."""

import json
import math
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

from prepare.records.settings import DamagedRecordError

MAX_BYTES = 1 << 28  # a manifest of a million images


def parse_json(text: str) -> Any:
    """The value of a JSON text.

    Raises:
        ValueError: if it is none, is nested too deeply, or holds what cannot be written again as
            UTF-8 and finite numbers: NaN, 1e999, half of a surrogate pair.
    """
    try:
        value = _DECODER.decode(text)
        if "\\ud" in text or "\\uD" in text:
            json.dumps(value, ensure_ascii=False).encode()
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    return value


def read_record(
    path: Path, way_out: str, max_bytes: int = MAX_BYTES, errors: str = "strict"
) -> str | None:
    """Text of a record; None where there is none.

    Args:
        path: of the record.
        way_out: what to do if it is damaged, for the message.
        max_bytes: a longer file is no record.
        errors: "replace" for a record whose damaged lines are left out.

    Raises:
        DamagedRecordError: if it cannot be read, is no regular file, too long, or not UTF-8.
    """
    try:
        content = _read(path, max_bytes + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        reason = f"cannot be read ({error.strerror})"
        raise DamagedRecordError(f"{path} {reason}; make it readable, and try again") from error
    try:
        if content is not None and len(content) <= max_bytes:
            return content.decode(errors=errors)
    except UnicodeDecodeError:
        pass
    raise damaged(path, way_out)


def _read(path: Path, num_bytes: int) -> bytes | None:
    """The first bytes of a regular file; None if it is none."""
    # Without waiting, should a pipe stand in its place.
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
        with open(descriptor, "rb", closefd=False) as file:
            return file.read(num_bytes)
    finally:
        os.close(descriptor)


def lines_of(text: str) -> Iterator[str]:
    """Lines of JSON, without empty ones.

    Not splitlines: an id may hold one of the rarer line ends that Unicode knows.
    """
    return (line for line in text.split("\n") if line)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


def finite_number(digits: str) -> float:
    """A number from text; ValueError if it is none, or not finite."""
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(f"{digits:.40} is no finite number")
    return number


def damaged(path: Path, way_out: str) -> DamagedRecordError:
    """The error that says so."""
    return DamagedRecordError(f"{path} is damaged; {way_out}")


_DECODER = json.JSONDecoder(parse_constant=_refuse, parse_float=finite_number)  # once for all lines
