"""Draws that depend on an id alone."""

import hashlib


def hash_of(text: str) -> int:
    """A number from 0 to 2**64 - 1 that depends on the text alone, on any machine.

    What is decided for an image by the hash of its id never changes, whatever is added.
    """
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
