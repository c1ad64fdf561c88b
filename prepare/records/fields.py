"""Declares fields of settings classes: name, default, help and choices in one place."""

import dataclasses
import typing
from typing import Any

from prepare.records.errors import require


def setting(default: Any, text: str, *, flag: bool = True) -> Any:
    """A dataclass field that explains itself.

    Args:
        default: value of the setting.
        text: one line with the unit, shown by `--help`.
        flag: whether the command line has a flag for it.
    """
    return dataclasses.field(default=default, metadata={"help": text, "flag": flag})


def drawn(default: Any, text: str, *, flag: bool = True) -> Any:
    """The same of a setting that may also be drawn, for each image, from a `Spread`."""
    return dataclasses.field(default=default, metadata={"help": text, "flag": flag, "drawn": True})


def choices_of(hint: Any) -> tuple:
    """The values that a type hint `Literal[..]` allows; none where it is another hint."""
    return typing.get_args(hint) if typing.get_origin(hint) is typing.Literal else ()


def check_choices(settings: Any) -> None:
    """Raises SettingError if a field of a dataclass is none of the values of its `Literal`."""
    for name, hint in typing.get_type_hints(type(settings)).items():
        choices, got = choices_of(hint), getattr(settings, name)
        require(not choices or got in choices, name, " or ".join(map(str, choices)), got)
