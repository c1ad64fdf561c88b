"""What lies on disk, and how it is written and read: the one part of `prepare` that `train` uses.

Needs the standard library and numpy alone.
"""

import os
from pathlib import Path

# How people call us: from a clone by make, which Windows lacks; else by the name that is installed.
IN_CLONE = (Path(__file__).parents[2] / "Makefile").exists()
PROGRAM = ("python pipeline.py" if os.name == "nt" else "make") if IN_CLONE else "pix2pix-deblurrer"
