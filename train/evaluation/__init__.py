"""Scores runs on test images and on real photographs.

This file holds what the command line and the pages need; the rest takes a second to import.
"""

SAMPLE, ALL = "sample", "all"  # which images classical methods are scored on
SAMPLE_SIZE = 100  # images: the mean gain in PSNR of so many is known to about 0.2 dB
MOST_PSNR_DB = 100.0  # of equal pictures, so that means and JSON stay finite
