"""Damage of all kinds, seeded: a little of it with every test run, much of it with `make fuzz`."""

import contextlib
import faulthandler
import json
import os
import struct
import sys
import zlib
from collections.abc import Iterator

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

NUM_EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "0"))  # of each test; 0 is the short part

# Values that a record never holds where it stands.
ODD = st.sampled_from(
    [
        *(None, True, -1, 0, 1e308, 10**400, "", "../../x", "/etc/passwd", "a\0b", "\ud800"),
        *("x" * 70_000, [], {}, [[]], {"id": "a"}, float("nan"), float("inf"), "NaN", "=1+1"),
        "\u00e9\u2028\n",
    ]
)
# Text that parsers of JSON and of CSV have stumbled over.
TEXTS = st.sampled_from(
    [
        *(b"", b"\n\n\n", b"[" * 100_000, b'{"a":' * 50_000, b"1e999999999", b"\xff\xfe\x00"),
        *(b"\x00" * 64, b"null", b"[]", b'"text"', b"NaN", b'{"id": NaN}', b"\xef\xbb\xbf{}"),
        *(b"a,b\r\n1\r\n", b"'\"\n,"),
    ]
)


def fuzzed(num_short: int):
    """Settings of a test: `num_short` examples, always the same, or many that differ."""
    return settings(
        max_examples=NUM_EXAMPLES or num_short,
        derandomize=not NUM_EXAMPLES,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


@st.composite
def damaged(draw, content: bytes) -> bytes:
    """The content with a few bytes, runs or numbers changed, cut off or put in."""
    data = bytearray(content)
    for _ in range(draw(st.integers(1, 5))):
        at = draw(st.integers(0, max(0, len(data) - 1)))
        length = draw(st.integers(1, 64))
        kind = draw(st.sampled_from(["flip", "zero", "cut", "drop", "insert", "double", "number"]))
        if kind == "flip" and data:
            data[at] ^= 1 << draw(st.integers(0, 7))
        elif kind == "zero":
            data[at : at + length] = bytes(length)
        elif kind == "cut":
            del data[at:]
        elif kind == "drop":
            del data[at : at + length]
        elif kind == "insert":
            data[at:at] = draw(st.binary(min_size=1, max_size=64))
        elif kind == "double":
            data[at:at] = data[at : at + length]
        else:
            number = draw(st.sampled_from([0, 1, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF]))
            data[at : at + 4] = number.to_bytes(4, draw(st.sampled_from(["big", "little"])))
    return bytes(data)


@st.composite
def damaged_photograph(draw, content: bytes) -> bytes:
    """A photograph after anything, half of it in the head; a PNG's checksums may fit again."""
    head = draw(st.integers(16, 1024)) if draw(st.booleans()) else len(content)
    data = draw(damaged(content[:head])) + content[head:]
    is_png = data.startswith(b"\x89PNG\r\n\x1a\n")
    return _with_right_checksums(data) if is_png and draw(st.integers(0, 3)) else data


def _with_right_checksums(png: bytes) -> bytes:
    """The file with the checksum that each chunk should have, so that what is in it is read."""
    data, at = bytearray(png), 8
    while at + 12 <= len(data):
        end = at + 8 + struct.unpack_from(">I", data, at)[0]
        if end + 4 > len(data):
            break
        struct.pack_into(">I", data, end, zlib.crc32(data[at + 4 : end]))
        at = end + 4
    return bytes(data)


@contextlib.contextmanager
def no_hang(most_s: float = 300.0) -> Iterator[None]:
    """Ends the process, with a traceback, if what is inside takes so long, even in a decoder."""
    faulthandler.dump_traceback_later(most_s, exit=True, file=sys.__stderr__)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()


@st.composite
def odd_json(draw, content: bytes) -> bytes:
    """A JSON object with one value, somewhere in it, replaced, removed or added."""
    record = json.loads(content)
    place = record
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = draw(st.sampled_from(keys))
        if not isinstance(place[key], (dict, list)) or not place[key] or draw(st.booleans()):
            break
        place = place[key]
    if draw(st.integers(0, 4)) == 0:
        del place[key]
    else:
        place[key] = draw(ODD)
    return json.dumps(record).encode("utf-8", "surrogatepass")


def odd_record(content: bytes) -> st.SearchStrategy[bytes]:
    """A record on disk after anything: bytes changed, another type, other text."""
    ways = [damaged(content), TEXTS]
    try:
        if isinstance(json.loads(content), dict):
            ways += [odd_json(content), odd_json(content)]
    except ValueError:
        lines = content.splitlines(keepends=True)
        if len(lines) > 1 and lines[0].startswith(b"{"):
            ways.append(odd_json(lines[0]).map(lambda line: b"".join([line, b"\n", *lines[1:]])))
    return st.one_of(ways)
