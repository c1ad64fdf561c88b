"""Declares fields of settings classes: name, default, help and choices in one place."""

import contextlib
import csv
import dataclasses
import typing
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from prepare import PrepareError
from prepare.records.ranges import Part, Spread


def setting(
    default: Any,
    text: str,
    limits: tuple[float, float] | None = None,
    *,
    choices: Collection = (),
    flag: bool = True,
) -> Any:
    """A dataclass field that explains itself; annotated `Any`, it may be given as a `Spread`.

    Args:
        default: value of the setting.
        text: one line with the unit, shown by `--help`.
        limits: lowest and highest number that `normalize` lets it have.
        choices: in place of them, its words or whole numbers.
        flag: whether the command line has a flag for it.
    """
    metadata = {"help": text, "limits": limits, "choices": choices, "flag": flag}
    return dataclasses.field(default=default, metadata=metadata)


def normalize(settings: Any) -> None:
    """Gives each field of a dataclass with limits or choices the type of its default.

    A list that stands for several values becomes a `Spread`. SettingError if a value lies outside
    of the limits, or is none of the choices.
    """
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        if value is field.default or not (allowed := allowed_values(field)):
            continue
        spread = Spread.of_plain(value)
        for part in spread:
            require(is_allowed(part, field), field.name, allowed, Spread([part]))
        one = spread.value
        kind: type = float if field.default is None else type(field.default)
        object.__setattr__(settings, field.name, one if one is spread else kind(one))


def is_allowed(part: Part, field: dataclasses.Field) -> bool:
    """Whether a setting may have a value, or be drawn from a range."""
    limits, choices = field.metadata["limits"], field.metadata["choices"]
    if isinstance(part, str):
        return part in choices
    low, high = part
    if limits:
        return limits[0] <= low <= high <= limits[1]
    ends_fit = low in choices and high in choices and low <= high
    return ends_fit and all(each in choices for each in range(int(low), int(high) + 1))


def allowed_values(field: dataclasses.Field) -> str:
    """What a setting may be, in words; "" where nothing is said."""
    limits, choices = field.metadata.get("limits"), field.metadata.get("choices", ())
    if limits:
        return f"a number between {limits[0]} and {limits[1]}"
    if isinstance(choices, range):
        return f"a whole number from {choices[0]} to {choices[-1]}"
    return " or ".join(map(str, choices))


def choices_of(hint: Any) -> tuple:
    """The values that a type hint `Literal[..]` allows; none where it is another hint."""
    return typing.get_args(hint) if typing.get_origin(hint) is typing.Literal else ()


def check_choices(settings: Any) -> None:
    """Raises SettingError if a field of a dataclass is none of the values of its `Literal`."""
    for name, hint in typing.get_type_hints(type(settings)).items():
        choices, got = choices_of(hint), getattr(settings, name)
        require(not choices or got in choices, name, " or ".join(map(str, choices)), got)


class DamagedRecordError(PrepareError):
    """A record on disk cannot be read; the message names it and what to do."""


class SettingError(ValueError):
    """A setting, by the name of its field, has a value that makes no sense.

    `expected` says what would, to follow "must be".
    """

    def __init__(self, setting: str, expected: str, got: object) -> None:
        super().__init__(f"{setting} must be {expected}, got {got}")
        self.setting, self.expected, self.got = setting, expected, got


def require(holds: bool, setting: str, expected: str, got: object) -> None:
    """Raises SettingError unless the condition holds."""
    if not holds:
        raise SettingError(setting, expected, got)


@contextlib.contextmanager
def explain_damage(path: Path, hint: str, *also: type[Exception]) -> Iterator[None]:
    """Turns whatever is raised over the content of a record into one line that names the file.

    Args:
        path: of the record that is read, or whose content is used.
        hint: what to do then, to follow a semicolon.
        also: further exceptions that damage may raise, beside those of Python's own types.
    """
    kinds = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError)
    caught: tuple[type[Exception], ...] = (*kinds, csv.Error, *also)
    try:
        yield
    except caught as error:
        reason = " ".join(str(error).split())[:100] or type(error).__name__
        raise DamagedRecordError(f"{path} is damaged ({reason}); {hint}") from error
