"""Entries of a JSON object that is larger than memory, one after the other.

Each is read by Python's own parser, which bounds how deep it goes. A streaming parser keeps the
path of every bracket that is open, so that a megabyte of brackets takes all the memory there is.
"""

import codecs
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from prepare.records.json_file import parse_json

LONGEST_ENTRY = 1 << 20  # letters; one of FFHQ's has 4000
_BLOCK_BYTES = 1 << 16
_KEY = re.compile(r'\s*[{,]\s*("(?:[^"\\]|\\.){0,100}")\s*:\s*(?=\{)')
_DECODER = json.JSONDecoder()


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
        _, end = _DECODER.raw_decode(text, match.end())
    except json.JSONDecodeError:
        return None
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    try:
        return parse_json(match[1]), parse_json(text[match.end() : end]), end
    except ValueError:  # a number that is none costs its own entry
        return parse_json(match[1]), None, end
