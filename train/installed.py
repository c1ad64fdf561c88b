"""The project where it is installed: becomes `pix2pix_deblurrer/__init__.py` there."""

import sys
from pathlib import Path
from typing import Any

# The packages lie beside it, in a folder of their own: their names are common ones.
sys.path.insert(0, str(Path(__file__).parent))


def __getattr__(name: str) -> Any:
    """`restore_photograph` once it is asked for, as it loads ONNX Runtime."""
    if name != "restore_photograph":
        raise AttributeError(name)
    from train.restore import restore_photograph

    return restore_photograph
