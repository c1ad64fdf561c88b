"""A setting that is drawn for each image: a range, or a choice of values and ranges."""

import math
import re
from decimal import Decimal
from typing import Any

from prepare.records.files import hash_of

_RANGE = re.compile(r"(-?[\d.]+)-(-?[\d.]+)")

Part = tuple[float, float] | str  # from low to high, both included; a word


class Spread(tuple[Part, ...]):
    """What a setting is drawn from: ranges (low, high), single values twice, or words.

    Each part is as likely as the others; one that is given twice is twice as likely.
    """

    @classmethod
    def of_text(cls, text: str) -> "Spread":
        """As typed: "10-40", "0,5-9", "gaussian,uniform".

        Raises:
            ValueError: if it is neither numbers, ranges of them, nor words.
        """
        return cls(_part(part) for part in text.split(","))

    @classmethod
    def of_plain(cls, plain: Any) -> "Spread":
        """As a JSON record holds it, see `plain`, or as a pair (low, high).

        Raises:
            ValueError: if it is neither.
            TypeError: likewise.
        """
        if len(plain) == 2 and not any(isinstance(part, (list, tuple, str)) for part in plain):
            plain = [plain]
        if not plain or not all(isinstance(part, str) or len(part) in (1, 2) for part in plain):
            raise ValueError(f"{plain} is neither a range nor a choice")
        return cls(
            part if isinstance(part, str) else (float(part[0]), float(part[-1])) for part in plain
        )

    @property
    def plain(self) -> list:
        """As JSON can hold it: [low, high], or a list of words and such pairs."""
        parts = [part if isinstance(part, str) else list(part) for part in self]
        return parts[0] if len(parts) == 1 and not isinstance(parts[0], str) else parts

    @property
    def numbers(self) -> list[float]:
        """The ends of its ranges, from the lowest up."""
        return sorted(end for part in self if not isinstance(part, str) for end in part)

    def __str__(self) -> str:
        return ",".join(_part_text(part) for part in self)

    def sample(self, seed_text: str, whole: bool = False) -> float | str:
        """One of its values, decided by a text alone.

        Args:
            seed_text: what the value depends on.
            whole: draws whole numbers, each of a range as likely; else evenly, to 0.01.
        """
        place = hash_of(seed_text) / 2**64 * len(self)
        index = min(int(place), len(self) - 1)
        part, rest = self[index], place - index
        if isinstance(part, str):
            return part
        low, high = part
        if whole:
            return min(int(low + rest * (high - low + 1)), int(high))
        return round(low + (high - low) * rest, 2) if low < high else low


def parse_values(text: str) -> float | str | Spread:
    """A setting as it is typed: a number, a word, or what it is to be drawn from.

    Raises:
        ValueError: if it is none of these.
    """
    spread = Spread.of_text(text)
    first = spread[0]
    if len(spread) > 1 or _RANGE.fullmatch(text):
        return spread
    return first if isinstance(first, str) else first[0]


def number_text(value: float) -> str:
    """Shortest decimal that reads back as the same number, without exponent: 30, 33.5."""
    text = format(Decimal(repr(float(value))), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _part(text: str) -> Part:
    if re.fullmatch("[a-z]+", text) and text not in ("nan", "inf", "infinity"):
        return text
    match = _RANGE.fullmatch(text)
    low, high = (float(match[1]), float(match[2])) if match else (float(text),) * 2
    if not (math.isfinite(low) and math.isfinite(high) and (low < high or not match)):
        raise ValueError(f"{text} is no range from low to high")
    return low + 0.0, high + 0.0


def _part_text(part: Part) -> str:
    if isinstance(part, str):
        return part
    low, high = part
    return number_text(low) if low == high else f"{number_text(low)}-{number_text(high)}"
