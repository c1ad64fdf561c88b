"""Compares this project's blur with Photoshop's Lens Blur of the same photographs.

The folder holds pairs N_sharp.png and N_photoshop.png of the same size. The radius is given in
pixels of these pictures; the blur runs through the same code as `make blur`.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from skimage.metrics import peak_signal_noise_ratio

from prepare.blur.lens_blur import blur_and_reduce
from prepare.pictures import read_u8
from prepare.records.blur import WIDTH_OF_RADIUS, LensBlur


def parity_db(folder: Path, shown_radius_px: float, blades: int) -> dict[str, float]:
    """PSNR of our blur against Photoshop's for each pair, in dB, data range 255.

    Args:
        folder: holds the pairs.
        shown_radius_px: radius in pixels of the pictures in the folder.
        blades: of the iris, 0 for a disc.

    Raises:
        FileNotFoundError: if the folder holds no pair.
    """
    scores = {}
    for sharp_path in sorted(folder.glob("*_sharp.png")):
        sharp = read_u8(sharp_path)
        name = sharp_path.name.removesuffix("_sharp.png")
        photoshop = read_u8(folder / f"{name}_photoshop.png")
        height = sharp.shape[0]
        blur = LensBlur(shown_radius_px * WIDTH_OF_RADIUS / height, blades=blades)  # type: ignore[arg-type]  # it checks them
        [ours] = blur_and_reduce(sharp, [blur], height, name)
        scores[name] = float(peak_signal_noise_ratio(photoshop, ours, data_range=255))
    if not scores:
        raise FileNotFoundError(f"{folder}: no N_sharp.png beside an N_photoshop.png")
    return scores


def main() -> int:
    """Prints one line a pair and the mean."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="folder of N_sharp.png and N_photoshop.png")
    parser.add_argument("--shown-radius", type=float, default=4.9, help="pixels (default 4.9)")
    parser.add_argument("--blades", type=int, default=0, help="0 (disc, default) or 3 to 8")
    arguments = parser.parse_args()
    try:
        scores = parity_db(arguments.folder, arguments.shown_radius, arguments.blades)
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for name, psnr_db in scores.items():
        print(f"{name}: {psnr_db:.2f} dB")
    print(f"mean of {len(scores)}: {np.mean(list(scores.values())):.2f} dB (data range 255)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
