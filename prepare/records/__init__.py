"""The formats on disk, and how they are written and read; `train` uses them too.

Needs only the standard library and NumPy.
"""

import sys
from pathlib import Path

# How people call us: from a clone by make, which Windows lacks; else by the name that is installed.
IN_CLONE = (Path(__file__).parents[2] / "Makefile").exists()
PROGRAM = "python pipeline.py" if sys.platform == "win32" else "make"
PROGRAM = PROGRAM if IN_CLONE else "pix2pix-deblurrer"
