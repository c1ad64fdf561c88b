"""Scores runs on test images and on real photographs.

Here stands what the command line asks of it, since the rest takes a second to import.
"""

SAMPLE, ALL = "sample", "all"  # which images classical methods are scored on
SAMPLE_SIZE = 100  # images: the mean gain in PSNR of so many is known to about 0.2 dB
