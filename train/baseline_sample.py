"""Which test images the classical methods are scored on: they take far longer than the network."""

from collections.abc import Sequence

from prepare.records.hashing import hash_of

SAMPLE, ALL = "sample", "all"
SAMPLE_SIZE = 100  # images: the mean gain in PSNR of so many is known to about 0.2 dB
CHOSEN_BY = "smallest SHA-256 of their ids"


def baseline_ids(ids: Sequence[str], choice: str = SAMPLE) -> frozenset[str]:
    """Ids of the images that the classical methods are scored on.

    A sample is the same for every run and set, and grows into that of more images with few changes.

    Args:
        ids: of all test images.
        choice: ALL, or SAMPLE for SAMPLE_SIZE of them.
    """
    if choice == ALL or len(ids) <= SAMPLE_SIZE:
        return frozenset(ids)

    def order(image_id: str) -> int:  # not the hash that the split goes by
        return hash_of(f"classical methods {image_id}")

    return frozenset(sorted(ids, key=order)[:SAMPLE_SIZE])
