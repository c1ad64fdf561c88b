"""Entries of a JSON object that is larger than memory, one after the other.

Each is read by Python's own parser, which bounds how deep it goes. A streaming parser keeps the
path of every bracket that is open, so that a megabyte of brackets takes all the memory there is.
"""

import codecs
import json
import math
import re
from collections.abc import Callable, Iterator
from typing import Any

LONGEST_ENTRY = 1 << 20  # letters; one of FFHQ's has 4000
_BLOCK_BYTES = 1 << 16
_KEY = re.compile(r'\s*[{,]\s*("(?:[^"\\]|\\.){0,100}")\s*:\s*(?=\{)')


def json_entries(read: Callable[[int], bytes]) -> Iterator[tuple[str, Any]]:
    """Keys and values of a JSON object whose values are objects.

    Args:
        read: brings at most so many next bytes, none at the end.

    Raises:
        ValueError: behind the last entry that is whole, if what comes then is no such object.
    """
    decode = codecs.getincrementaldecoder("utf-8")().decode
    text = ""
    while block := read(_BLOCK_BYTES):
        text += decode(block)
        start = 0
        while found := _entry_at(text, start):
            key, value, start = found
            yield key, value
        text = text[start:]
        if len(text) > LONGEST_ENTRY:
            raise ValueError("an entry is too long")
    if text.strip() not in ("}", "{}"):
        raise ValueError("it ends in the middle")


def _entry_at(text: str, start: int) -> tuple[str, Any, int] | None:
    """Key, value and end of the entry that begins at `start`; None if it is not whole."""
    match = _KEY.match(text, start)
    if match is None:
        return None
    try:
        value, end = _DECODER.raw_decode(text, match.end())
    except json.JSONDecodeError:
        return None
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if "\\ud" in text[match.end() : end].lower():  # half of a surrogate pair, which no file takes
        value = json.loads(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))
    return json.loads(match[1]), value, end


def _number(digits: str) -> float | None:
    """A number; None where it is too large to be any."""
    if len(digits) > 300:
        return None
    number = float(digits)
    if not math.isfinite(number):
        return None
    return int(digits) if digits.lstrip("-").isdigit() else number


_DECODER = json.JSONDecoder(parse_int=_number, parse_float=_number, parse_constant=_number)
