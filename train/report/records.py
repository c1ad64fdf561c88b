"""Reads what a run and its evaluations left: JSON objects and tables, every number finite."""

import csv
import io
import json
import math
from collections.abc import Sequence
from pathlib import Path

from prepare.records.errors import DamagedRecordError, explain_damage


def read_object(path: Path, way_out: str) -> dict:
    """The object in a JSON file; empty where there is no file.

    Args:
        path: of the file.
        way_out: what to do when it is damaged, to follow a semicolon.

    Raises:
        DamagedRecordError: if it holds anything else, or a number that is not finite, or cannot be
            read at all.
    """
    text = _text(path, way_out)
    if text is None:
        return {}
    with explain_damage(path, way_out):
        return dict(json.loads(text, parse_constant=_finite, parse_float=_finite).items())


def read_table(path: Path, columns: Sequence[str], way_out: str) -> list[dict]:
    """The rows of `per_image.csv`: "id" is text, every other value a number.

    Args:
        path: of the file.
        columns: that must be there, beside "id".
        way_out: what to do when it is damaged, to follow a semicolon.

    Raises:
        DamagedRecordError: if it is missing or damaged, or lacks a column, as an older version's.
    """
    text = _text(path, way_out)
    if text is None:
        raise DamagedRecordError(f"{path} is missing; {way_out}")
    with explain_damage(path, way_out):
        rows = list(csv.DictReader(io.StringIO(text, newline="")))
        if not rows:
            raise ValueError("no rows")
        if missing := [name for name in ("id", *columns) if name not in rows[0]]:
            raise ValueError(f"no column {missing[0]}")
        return [
            {name: value if name == "id" else _finite(value) for name, value in row.items()}
            for row in rows
        ]


def _text(path: Path, way_out: str) -> str | None:
    """The text of a file, or None where there is none."""
    try:
        with explain_damage(path, way_out):
            return path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DamagedRecordError(f"{path} cannot be read ({error.strerror}); {way_out}") from error


def _finite(word: str) -> float:
    number = float(word)
    if not math.isfinite(number):
        raise ValueError(f"{word} is no finite number")
    return number
