"""What can be wrong with a setting or a record, apart from who asked for it."""

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
