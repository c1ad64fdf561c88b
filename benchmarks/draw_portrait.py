"""The portrait at the top of README.md: out of focus, restored by the pretrained network, sharp.

.venv/bin/python -m benchmarks.draw_portrait docs

The photograph shows Eileen Collins. NASA took it, it is in the public domain, and scikit-image
includes it.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
import skimage.data
from PIL import Image

from prepare.blur.lens_blur import blur_and_reduce
from prepare.records.blur import LensBlur
from train.evaluation.metrics import psnr_db
from train.restore import restore_photograph

SIZE = 512  # of the photograph; of a width of 1024, a radius of 12 is one of 6 here
BLUR = LensBlur(12, linear=True, noise=1, jpeg=90)
SHOWN = (slice(0, 400), slice(20, 420))  # rows and columns
GAP_PX, QUALITY = 6, 85


def draw_portrait(folder: Path) -> None:
    """Writes the three pictures side by side into a folder."""
    sharp = skimage.data.astronaut()
    [blurred] = blur_and_reduce(sharp, [BLUR], SIZE, "astronaut")
    with tempfile.TemporaryDirectory() as scratch:
        photo = Path(scratch, "astronaut.png")
        Image.fromarray(blurred).save(photo)
        restored = restore_photograph(photo)
    gap = np.full((SHOWN[0].stop, GAP_PX, 3), 255, np.uint8)
    panels = [blurred[SHOWN], gap, restored[SHOWN], gap, sharp[SHOWN]]
    path = folder / "portrait.jpg"
    Image.fromarray(np.hstack(panels)).save(path, quality=QUALITY, subsampling=0)
    before, after = (psnr_db(picture, sharp) for picture in (blurred, restored))
    print(f"{path}: {path.stat().st_size / 1000:.0f} kB, {before:.2f} to {after:.2f} dB")


if __name__ == "__main__":
    draw_portrait(Path(sys.argv[1]))
