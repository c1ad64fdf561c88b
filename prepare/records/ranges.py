"""A setting that is random for each image: a range, or a choice of values and ranges."""

import math
import re
from decimal import Decimal
from typing import Any

from prepare.records.files import hash_of

Part = tuple[float, float] | str  # from low to high, both included; a word


class Spread(tuple[Part, ...]):
    """The values that a setting may have: ranges (low, high), single values twice, or words.

    Each part is as likely as the others; one that is given twice is twice as likely.
    """

    @classmethod
    def of_text(cls, text: str) -> "Spread":
        """As typed: "30", "10-40", "0,5-9", "gaussian,uniform"; else ValueError."""
        parts: list[Part] = []
        for word in text.split(","):
            if re.fullmatch("[a-z]+", word):
                parts.append(word)
                continue
            ends = re.fullmatch(r"(-?[\d.]+)-(-?[\d.]+)", word)
            low, high = map(float, ends.groups() if ends else (word, word))
            if ends and low >= high:
                raise ValueError(f"{word} is no range from low to high")
            parts.append((low, high))
        return cls(parts)

    @classmethod
    def of_plain(cls, plain: Any) -> "Spread":
        """Of one value, of a pair (low, high), or of a list of such values and pairs, see `plain`.

        Raises:
            ValueError, TypeError, LookupError, ArithmeticError: if it is something else.
        """
        is_list = isinstance(plain, (list, tuple))
        if not is_list or (len(plain) == 2 and all(isinstance(p, (int, float)) for p in plain)):
            plain = [plain]
        parts = [part if isinstance(part, (str, list, tuple)) else (part, part) for part in plain]
        if not parts:
            raise ValueError("an empty choice")
        return cls(  # + 0.0: no -0.0
            part if isinstance(part, str) else (float(part[0]) + 0.0, float(part[-1]) + 0.0)
            for part in parts
        )

    @property
    def value(self) -> "float | str | Spread":
        """Its only value, or the spread itself."""
        first = self[0]
        if len(set(self)) > 1 or (not isinstance(first, str) and first[0] != first[1]):
            return self
        return first if isinstance(first, str) else first[0]

    @property
    def plain(self) -> list:
        """As JSON can hold it: [low, high], or a list of words and such pairs."""
        parts = [part if isinstance(part, str) else list(part) for part in self]
        return parts[0] if len(parts) == 1 and not isinstance(parts[0], str) else parts

    def __str__(self) -> str:
        return ",".join(
            part if isinstance(part, str) else "-".join(map(as_typed, dict.fromkeys(part)))
            for part in self
        )

    def sample(self, seed_text: str, whole: bool = False) -> float | str:
        """One of its values, chosen only by a text.

        From a range: with `whole`, whole numbers, equally likely; else evenly, to 0.01.
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


def as_typed(value: object) -> str:
    """A setting's value as it is typed: a switch as 0 or 1, a number without an exponent."""
    if isinstance(value, bool):
        return str(int(value))
    if not (isinstance(value, float) and math.isfinite(value)):
        return str(value)
    text = format(Decimal(repr(value)), "f")  # the shortest that reads back as the same number
    return text.rstrip("0").rstrip(".") if "." in text else text
