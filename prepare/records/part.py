"""A part of a data set: what one of several machines makes of it."""

import argparse
import re
from typing import NamedTuple

from prepare.records.hashing import hash_of


class Part(NamedTuple):
    """The second of eight, say."""

    number: int  # from 1
    of: int

    def __str__(self) -> str:
        return f"part-{self.number}-of-{self.of}"

    def holds(self, image_id: str) -> bool:
        """Whether an image is this part's, by a hash of its id; not the one that splits."""
        return hash_of(f"{image_id}/part") % self.of == self.number - 1


def parse_part(text: str) -> Part:
    """A part and their number, as in 2/8."""
    match = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", text)
    part = Part(int(match[1]), int(match[2])) if match else Part(0, 0)
    if not 1 <= part.number <= part.of:
        raise argparse.ArgumentTypeError(f"expected a part as in 2/8, from 1/8 to 8/8, got {text}")
    return part
