"""Reads what a run and its evaluations left, or says what is wrong with it and the way out."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from prepare.records.json_file import finite_number, parse_json
from prepare.records.settings import DamagedRecordError, explain_damage


def read_object(path: Path, way_out: str) -> dict:
    """The object in a JSON file, every number finite; empty where there is no file.

    Args:
        path: of the file.
        way_out: what to do when it is damaged, to follow a semicolon.

    Raises:
        DamagedRecordError: if it holds anything else, or cannot be read at all.
    """
    text = read_text(path, way_out)
    if text is None:
        return {}
    with explain_damage(path, way_out):
        return dict(parse_json(text).items())


def read_table(path: Path, columns: Sequence[str], way_out: str) -> list[dict]:
    """The rows of `per_image.csv`: "id" is text, every other value a finite number.

    What is left empty, since a method was not scored on an image, a row does not have.

    Args:
        path: of the file.
        columns: that must be there, beside "id".
        way_out: what to do when it is damaged, to follow a semicolon.

    Raises:
        DamagedRecordError: if it is missing or damaged, or lacks a column, as an older version's.
    """
    text = read_text(path, way_out)
    if text is None:
        raise DamagedRecordError(f"{path} is missing; {way_out}")
    with explain_damage(path, way_out):
        rows = list(csv.DictReader(io.StringIO(text, newline="")))
        if not rows:
            raise ValueError("no rows")
        if missing := [name for name in ("id", *columns) if name not in rows[0]]:
            raise ValueError(f"no column {missing[0]}, as in an older version")
        return [
            {
                name: value if name == "id" else finite_number(value)
                for name, value in row.items()
                if value != "" or name in ("id", *columns)
            }
            for row in rows
        ]


def read_log(path: Path, way_out: str) -> list[dict[str, str]]:
    """The lines of a run's `log.csv` by column, as they are written; none where there is no file.

    A last line without its end was torn by a kill, and is left out.

    Args:
        path: of the file.
        way_out: what to do when it is damaged, to follow a semicolon.

    Raises:
        DamagedRecordError: if it is damaged, or cannot be read at all.
    """
    text = read_text(path, way_out) or ""
    rows = []
    with explain_damage(path, way_out):
        reader = csv.DictReader(io.StringIO(text[: text.rfind("\n") + 1], newline=""))
        for row in reader:
            if None in row or None in row.values():
                raise ValueError(f"line {reader.line_num} has not as many values as the heading")
            for column, value in row.items():
                _number(int if column == "step" else float, column, value, reader.line_num)
            rows.append(row)
        if reader.fieldnames and "step" not in reader.fieldnames:
            raise ValueError("no column step")
    return rows


def read_text(path: Path, way_out: str) -> str | None:
    """The text of a file of UTF-8, or None where there is none.

    Raises:
        DamagedRecordError: if it is no text, or cannot be read at all.
    """
    try:
        with explain_damage(path, way_out):
            return path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DamagedRecordError(f"{path} cannot be read ({error.strerror}); {way_out}") from error


def _number(kind: type, column: str, value: str, line: int) -> None:
    """Raises ValueError if a value of `log.csv` is no number of its kind; empty ones are none."""
    try:
        if value or column == "step":
            kind(value)
    except ValueError as error:
        raise ValueError(f"{column} is {value[:20]!r} in line {line}") from error
