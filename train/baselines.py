"""Classical ways to take a lens blur away, for comparison: with the true PSF, and without.

Richardson-Lucy and Wiener are told the PSF (non-blind), which nobody has for a real photograph;
their parameters, and those of the unsharp mask, are the best on a few training images.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np
from scipy import fft
from scipy.ndimage import gaussian_filter
from skimage.restoration import wiener

from train.metrics import psnr_db

WIDTH_OF_RADIUS = 1024  # radius_px in kernel.json counts pixels of an original this wide
SUBSAMPLES = 16  # points a pixel's side, to measure how much of the pixel the aperture covers
ITERATIONS = (5, 10, 20, 40, 60, 80, 120, 160)
BALANCES = tuple(10.0 ** (-k / 2) for k in range(10))
UNSHARP = tuple((sigma, amount) for sigma in (1.0, 2.0, 3.0, 4.0) for amount in (0.5, 1.0, 2.0))

Restore = Callable[[np.ndarray], np.ndarray]  # of a picture, uint8 (height, width, 3), RGB


def small_psf(radius_px: float, num_blades: int, rotation: float, size: int) -> np.ndarray:
    """PSF of a lens blur as seen in the reduced pictures.

    A reduced pixel is the mean of a square of the original, so the PSF at this scale is the share
    of each reduced pixel that the shrunken aperture covers. That the squares lie on a fixed grid
    is ignored; against the blur itself, which is done at full size, it is a close approximation.

    Args:
        radius_px: radius in pixels of a 1024-pixel-wide original; of a polygon, to its corners.
        num_blades: 0 for a disc, or the number of straight sides.
        rotation: of a polygon, degrees counterclockwise; at 0 a corner points up.
        size: side of the reduced pictures, pixels.

    Returns:
        float64, odd side, non-negative, sums to 1.
    """
    radius = radius_px * size / WIDTH_OF_RADIUS
    reach = math.ceil(radius)
    offsets = (np.arange((2 * reach + 1) * SUBSAMPLES) + 0.5) / SUBSAMPLES - reach - 0.5
    x, y = offsets[None, :], -offsets[:, None]  # y points up
    if num_blades == 0:
        inside = x**2 + y**2 <= radius**2
    else:
        half = math.pi / num_blades
        angles = math.radians(rotation) + math.pi / 2 + half * (2 * np.arange(num_blades) + 1)
        reaches = [x * math.cos(a) + y * math.sin(a) for a in angles]
        inside = np.max(reaches, axis=0) <= radius * math.cos(half)
    side = 2 * reach + 1
    covered = inside.reshape(side, SUBSAMPLES, side, SUBSAMPLES).mean((1, 3))
    return covered / covered.sum()


def why_no_psf(kernel: dict) -> str | None:
    """Why a set has no single PSF at the reduced size, or None if it has one.

    Args:
        kernel: the set's `kernel.json`.
    """
    if not isinstance(kernel.get("radius_px"), int | float):
        return "its radius differs from image to image"
    if kernel["radius_px"] * kernel["size"] / WIDTH_OF_RADIUS < 0.5:
        return "its blur is smaller than a pixel"
    if kernel.get("depth"):
        return "its radius varies with depth"
    if kernel.get("brightness") and kernel.get("threshold", 255) < 255:
        return "its highlights are brightened"
    if kernel.get("curvature"):
        return "its blades are curved"
    return None


def richardson_lucy(
    blurred_srgb: np.ndarray, psf: np.ndarray, iterations: Sequence[int]
) -> list[np.ndarray]:
    """Richardson-Lucy deconvolution, with the estimate after each of several numbers of steps.

    The iteration of scikit-image's function, begun from the blurred picture. It is done here
    because all steps and channels can then share the PSF's transform, and because one run gives
    the estimates of every number of steps.

    Args:
        blurred_srgb: float, shape (height, width, 3), 0..1; continued at its edges.
        psf: odd side, sums to 1.
        iterations: increasing numbers of steps.

    Returns:
        one picture for each number, 0..1.

    Reference: Richardson, JOSA 62, 1972, Eq. 12; Lucy, AJ 79, 1974.
    """
    reach = 2 * psf.shape[0]  # a narrower frame costs 1 dB: borders ring far into the picture
    blurred = np.pad(blurred_srgb, [(reach, reach), (reach, reach), (0, 0)], "edge")
    blurred = np.moveaxis(blurred, 2, 0).astype(np.float32)
    shape = [fft.next_fast_len(side, real=True) for side in blurred.shape[1:]]
    rest = [(0, 0)] + [(0, big - side) for big, side in zip(shape, blurred.shape[1:], strict=True)]
    blurred = np.pad(blurred, rest, "edge")
    centered = np.zeros(shape, np.float32)
    centered[: psf.shape[0], : psf.shape[1]] = psf
    half = psf.shape[0] // 2
    transfer = fft.rfft2(np.roll(centered, (-half, -half), (0, 1)))

    def convolve(picture: np.ndarray, transfer: np.ndarray) -> np.ndarray:
        return fft.irfft2(fft.rfft2(picture) * transfer, shape)

    estimate, estimates = blurred.copy(), []
    for step in range(1, max(iterations) + 1):
        ratio = blurred / np.maximum(convolve(estimate, transfer), 1e-6)
        estimate *= np.maximum(convolve(ratio, transfer.conj()), 0.0)
        if step in iterations:
            inner = estimate[:, reach:, reach:]
            inner = inner[:, : blurred_srgb.shape[0], : blurred_srgb.shape[1]]
            estimates.append(np.moveaxis(inner, 0, 2).clip(0, 1))
    return estimates


def wiener_filter(
    blurred_srgb: np.ndarray, psf: np.ndarray, balances: Sequence[float]
) -> list[np.ndarray]:
    """scikit-image's Wiener filter at each of several balances of fidelity and smoothness."""
    reach = 2 * psf.shape[0]  # a narrower frame costs 1 dB: borders ring far into the picture
    padded = np.pad(blurred_srgb, [(reach, reach), (reach, reach), (0, 0)], "edge")
    results = []
    for balance in balances:
        channels = [wiener(padded[..., c], psf, balance, clip=False) for c in range(3)]
        results.append(np.dstack(channels)[reach:-reach, reach:-reach].clip(0, 1))
    return results


def unsharp_mask(
    blurred_srgb: np.ndarray, _psf: np.ndarray | None, settings: Sequence[tuple[float, float]]
) -> list[np.ndarray]:
    """Adds `amount` times what a Gaussian of `sigma` pixels takes away."""
    return [
        (
            blurred_srgb
            + amount * (blurred_srgb - gaussian_filter(blurred_srgb, (sigma, sigma, 0)))
        ).clip(0, 1)
        for sigma, amount in settings
    ]


METHODS = {
    "richardson_lucy": (richardson_lucy, ITERATIONS, ("iterations",)),
    "wiener": (wiener_filter, BALANCES, ("balance",)),
    "unsharp_mask": (unsharp_mask, UNSHARP, ("sigma_px", "amount")),
}


def tuned_baselines(
    kernel: dict, tuning: Sequence[tuple[np.ndarray, np.ndarray]]
) -> tuple[dict[str, Restore], dict]:
    """Every classical method that the set allows, with its best parameter.

    Args:
        kernel: the set's `kernel.json`.
        tuning: (blurred, sharp) pictures of the training side, never of the test side.

    Returns:
        the methods by name, and a record of parameters or of why a method was left out.
    """
    reason = why_no_psf(kernel)
    psf = None
    if reason is None:
        psf = small_psf(kernel["radius_px"], kernel["blades"], kernel["rotation"], kernel["size"])
    methods: dict[str, Restore] = {}
    record: dict[str, dict] = {}
    for name, (method, choices, names) in METHODS.items():
        blind = method is unsharp_mask
        if reason and not blind:
            record[name] = {"left_out": f"needs one PSF for the set, and {reason}"}
            continue
        linear = bool(kernel.get("linear")) and not blind
        scores = np.zeros(len(choices))
        for blurred, sharp in tuning:
            pictures = method(_floats(blurred, linear), psf, choices)
            scores += [psnr_db(_u8(each, linear), sharp) for each in pictures]
        best = choices[int(scores.argmax())]
        methods[name] = _bound(method, psf, best, linear)
        parameters = dict(zip(names, best if blind else (best,), strict=True))
        record[name] = parameters | {"blind": blind, "tuned_on_training_images": len(tuning)}
    return methods, record


def _bound(method: Callable, psf: np.ndarray | None, choice: object, linear: bool) -> Restore:
    return lambda blurred: _u8(method(_floats(blurred, linear), psf, [choice])[0], linear)


def _floats(picture_u8: np.ndarray, linear: bool) -> np.ndarray:
    """0..1, encoded as stored, or linear light (IEC 61966-2-1) for a set blurred there."""
    encoded = picture_u8 / 255.0
    if not linear:
        return encoded
    return np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)


def _u8(picture: np.ndarray, linear: bool) -> np.ndarray:
    if linear:
        bright = 1.055 * np.maximum(picture, 0.0031308) ** (1 / 2.4) - 0.055
        picture = np.where(picture <= 0.0031308, 12.92 * picture, bright)
    return np.rint(picture * 255).astype(np.uint8)
