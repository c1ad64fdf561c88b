"""The project where it is installed: becomes `pix2pix_deblurrer/__init__.py` there."""

import sys
from pathlib import Path

# The packages lie beside it, in a folder of their own: their names are common ones.
sys.path.insert(0, str(Path(__file__).parent))
