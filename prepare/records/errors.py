"""What can be wrong with a setting or a record, apart from who asked for it."""

import contextlib
import csv
from collections.abc import Iterator
from pathlib import Path

from prepare import PrepareError


class DamagedRecordError(PrepareError):
    """A record on disk cannot be read; the message names it and the way out."""


class SettingError(ValueError):
    """A setting has a value that makes no sense.

    Attributes:
        setting: name of the dataclass field.
        expected: what would make sense, to follow "must be".
        got: the value.
    """

    def __init__(self, setting: str, expected: str, got: object) -> None:
        super().__init__(f"{setting} must be {expected}, got {got}")
        self.setting, self.expected, self.got = setting, expected, got


def require(holds: bool, setting: str, expected: str, got: object) -> None:
    """Raises SettingError unless the condition holds."""
    if not holds:
        raise SettingError(setting, expected, got)


@contextlib.contextmanager
def explain_damage(path: Path, way_out: str, *also: type[Exception]) -> Iterator[None]:
    """Turns whatever is raised over the content of a record into one line that names the file.

    Args:
        path: of the record that is read, or whose content is used.
        way_out: what to do then, to follow a semicolon.
        also: further exceptions that damage may raise, beside those of Python's own types.

    Raises:
        DamagedRecordError: in place of them.
    """
    kinds = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError)
    caught: tuple[type[Exception], ...] = (*kinds, csv.Error, *also)
    try:
        yield
    except caught as error:
        reason = " ".join(str(error).split())[:100] or type(error).__name__
        raise DamagedRecordError(f"{path} is damaged ({reason}); {way_out}") from error
