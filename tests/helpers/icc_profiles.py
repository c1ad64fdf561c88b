"""Small ICC profiles made by hand (ICC.1:2001-04, Secs. 6.1-6.5), for colors that are not RGB."""

import struct


def profile(space: bytes, connection: bytes, tags: dict[bytes, bytes]) -> bytes:
    """A profile of an output device, version 2."""
    table, body = struct.pack(">I", len(tags)), b""
    offset = 128 + 4 + 12 * len(tags)
    for name, data in tags.items():
        table += struct.pack(">4sII", name, offset + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    header = struct.pack(
        ">I4sI4s4s4s12s4s", offset + len(body), b"", 0x02400000, b"prtr", space, connection,
        bytes(12), b"acsp",
    )  # fmt: skip
    header = header.ljust(68, b"\0") + _xyz_numbers(0.9642, 1.0, 0.8249)
    return header.ljust(128, b"\0") + table + body


def gray_profile(gamma: float) -> bytes:
    """Gray pixels of a plain power law."""
    curve = b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256)) + bytes(2)
    white = b"XYZ " + bytes(4) + _xyz_numbers(0.9642, 1.0, 0.8249)
    return profile(b"GRAY", b"XYZ ", {b"wtpt": white, b"kTRC": curve})


def cmyk_profile() -> bytes:
    """Inks of which each takes a quarter of the lightness away, and black all of it."""
    table = b""
    for corner in range(16):  # K changes fastest
        cyan, magenta, yellow, black = (corner >> shift & 1 for shift in (3, 2, 1, 0))
        lightness = 0 if black else 100 - 25 * (cyan + magenta + yellow)
        table += bytes([round(2.55 * lightness), 128, 128])
    identity = struct.pack(">9i", *(65536 * (place % 4 == 0) for place in range(9)))
    ramp = bytes(range(256))
    lut = b"mft1" + bytes(4) + bytes([4, 3, 2, 0]) + identity + ramp * 4 + table + ramp * 3
    white = b"XYZ " + bytes(4) + _xyz_numbers(0.9642, 1.0, 0.8249)
    return profile(b"CMYK", b"Lab ", {b"wtpt": white, b"A2B0": lut})


def _xyz_numbers(*values: float) -> bytes:
    return struct.pack(f">{len(values)}i", *(round(each * 65536) for each in values))
