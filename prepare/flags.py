"""Makes command-line flags of settings classes, so that names, defaults and help have one home."""

import argparse
import inspect
import re
from dataclasses import fields, replace
from typing import NoReturn, TypeVar

Settings = TypeVar("Settings")


class FlagError(ValueError):
    """A flag has a value that makes no sense; the message says what was expected."""


class Parser(argparse.ArgumentParser):
    """An argument parser whose complaints are one line that says what to do next."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"error: {message}; see `python {self.prog} --help`\n")


def add_settings(parser: argparse.ArgumentParser, settings_class: type, skip: str = "") -> None:
    """Adds a flag for each field of a settings class that is explained by a comment on its line.

    Args:
        parser: gets the flags, in a group of their own; none has a default, see `settings_from`.
        settings_class: a dataclass whose fields are annotated bool, int, float or str.
        skip: names of fields to leave out, separated by spaces.
    """
    helps: dict[str, str] = {}
    for each in reversed(settings_class.__mro__[:-1]):
        helps |= dict(re.findall(r"^    (\w+): .*  # (.+)$", inspect.getsource(each), re.MULTILINE))
    group = parser.add_argument_group(settings_class.__name__)
    for field in fields(settings_class):
        if field.name in skip.split() or field.name not in helps:
            continue
        kind = next(k for k in (bool, int, float, str) if k.__name__ in str(field.type))
        group.add_argument(
            f"--{field.name.replace('_', '-')}",
            type=switch_of if kind is bool else kind,
            default=argparse.SUPPRESS,
            metavar="0|1" if kind is bool else kind.__name__.upper(),
            help=f"{helps[field.name]} (default: {field.default})".replace("%", "%%"),
        )


def settings_from(args: argparse.Namespace, defaults: Settings, **own: object) -> Settings:
    """`defaults`, but for `own` and for what the command line says.

    Raises:
        FlagError: in the words of the settings class.
    """
    names = {field.name for field in fields(defaults)}
    chosen = {name: value for name, value in vars(args).items() if name in names}
    try:
        return replace(defaults, **(chosen | own))
    except ValueError as error:
        raise FlagError(str(error)) from error


def radius_of(text: str) -> float | tuple[float, float]:
    """A radius "30", or a range of them "10-40", from the command line."""
    try:
        low, *high = (float(each) for each in text.split("-", 1))
        return (low, *high) if high else low
    except ValueError as error:
        expected = "expected pixels, as in 30, or a range, as in 10-40"
        raise argparse.ArgumentTypeError(f"{expected}; got {text}") from error


def count_of(text: str) -> int:
    """A whole number from 1 up from the command line."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, got {text}")
    return int(text)


def share_of(text: str) -> float:
    """A number from 0 to 1."""
    share = float(text)
    if not 0 <= share <= 1:
        raise argparse.ArgumentTypeError(f"must be between 0 and 1, got {text}")
    return share


def switch_of(text: str) -> bool:
    """0 or 1 from the command line."""
    if text not in ("0", "1"):
        raise argparse.ArgumentTypeError(f"expected 0 or 1, got {text}")
    return text == "1"
