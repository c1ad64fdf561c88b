"""Classical methods that remove a lens blur, for comparison: with the true PSF, and without.

Richardson-Lucy and Wiener are given the PSF (non-blind), which is unknown for a real photograph.
Their parameters and those of the unsharp mask are the best on a few training images.
"""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from scipy import fft
from scipy.ndimage import gaussian_filter
from skimage.restoration import wiener
from tqdm import tqdm

from prepare.records.files import hash_of
from prepare.records.sets import KernelRecord
from prepare.records.srgb import linear_to_srgb, srgb_to_linear
from train.dataset import Restore
from train.evaluation import ALL, SAMPLE, SAMPLE_SIZE
from train.evaluation.metrics import psnr_db

ITERATIONS = (5, 10, 20, 40, 60, 80, 120, 160)
BALANCES = tuple(10.0 ** (-k / 2) for k in range(10))
UNSHARP = tuple((sigma, amount) for sigma in (1.0, 2.0, 3.0, 4.0) for amount in (0.5, 1.0, 2.0))


def richardson_lucy(
    blurred_srgb: np.ndarray, psf: np.ndarray, iterations: Sequence[int]
) -> list[np.ndarray]:
    """Richardson-Lucy deconvolution, with the estimate after each of several numbers of steps.

    The iteration of scikit-image's function, begun from the blurred picture. It is done here
    because all steps and channels can then share the PSF's transform, and because one run gives
    the estimates of every number of steps.

    Takes and gives float (height, width, 3), 0..1, continued at its edges; the PSF has an odd side
    and sums to 1.

    Reference: Richardson, JOSA 62, 1972, Eq. 12; Lucy, AJ 79, 1974.
    """
    framed, reach = with_frame(blurred_srgb, psf)
    blurred = np.moveaxis(framed, 2, 0).astype(np.float32)
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
    framed, reach = with_frame(blurred_srgb, psf)
    results = []
    for balance in balances:
        channels = [wiener(framed[..., c], psf, balance, clip=False) for c in range(3)]
        results.append(np.dstack(channels)[reach:-reach, reach:-reach].clip(0, 1))
    return results


def with_frame(blurred_srgb: np.ndarray, psf: np.ndarray) -> tuple[np.ndarray, int]:
    """A picture continued at its edges, and by how many pixels."""
    reach = 2 * psf.shape[0]  # a narrower frame costs 1 dB: borders ring far into the picture
    return np.pad(blurred_srgb, [(reach, reach), (reach, reach), (0, 0)], "edge"), reach


def unsharp_mask(
    srgb: np.ndarray, _psf: np.ndarray | None, settings: Sequence[tuple[float, float]]
) -> list[np.ndarray]:
    """Adds `amount` times the detail that a Gaussian of `sigma` pixels removes."""
    return [
        (srgb + amount * (srgb - gaussian_filter(srgb, (sigma, sigma, 0)))).clip(0, 1)
        for sigma, amount in settings
    ]


METHODS: dict[str, tuple[Callable, Sequence, tuple[str, ...]]] = {
    "richardson_lucy": (richardson_lucy, ITERATIONS, ("iterations",)),
    "wiener": (wiener_filter, BALANCES, ("balance",)),
    "unsharp_mask": (unsharp_mask, UNSHARP, ("sigma_px", "amount")),
}


def tuned_baselines(
    kernel: KernelRecord | None, tuning: Sequence[tuple[np.ndarray, np.ndarray]]
) -> tuple[dict[str, Restore], dict]:
    """Every classical method that the set allows, with its best parameter.

    That is found on (blurred, sharp) pictures of the training side, never of the test side. Gives
    the methods by name, and a record of parameters or of why a method was left out.
    """
    reason = kernel.why_no_psf() if kernel else "it has no kernel.json"
    psf = kernel.psf() if kernel and reason is None else None
    methods: dict[str, Restore] = {}
    record: dict[str, dict] = {}
    for name, (method, choices, names) in METHODS.items():
        blind = method is unsharp_mask
        if reason and not blind:
            record[name] = {"left_out": f"needs one PSF for the whole set, but {reason}"}
            continue
        linear = kernel is not None and kernel.blur.linear and not blind
        restored = partial(restored_by, method, psf, linear)
        scores = np.zeros(len(choices))
        bar = tqdm(tuning, desc=f"tune {name}", unit="image", leave=False, disable=None)
        for blurred, sharp in bar:
            scores += [psnr_db(picture, sharp) for picture in restored(choices, blurred)]
        best = choices[int(scores.argmax())]
        methods[name] = partial(restored_with, restored, best)
        parameters = dict(zip(names, best if blind else (best,), strict=True))
        record[name] = parameters | {"blind": blind, "tuned_on_training_images": len(tuning)}
    return methods, record


def restored_by(
    method: Callable, psf: np.ndarray | None, linear: bool, choices: Sequence, blurred: np.ndarray
) -> list[np.ndarray]:
    """A picture restored by a method, uint8, in encoded values or in linear light."""
    encoded = blurred / 255.0
    pictures = method(srgb_to_linear(encoded) if linear else encoded, psf, choices)
    restored = [linear_to_srgb(picture) if linear else picture for picture in pictures]
    return [np.rint(picture * 255).astype(np.uint8) for picture in restored]


def restored_with(restored: Callable, choice: object, blurred: np.ndarray) -> np.ndarray:
    """A picture restored by a method with one choice of parameters."""
    return restored([choice], blurred)[0]


CHOSEN_BY = "smallest SHA-256 of their ids"


def baseline_ids(ids: Sequence[str], choice: str = SAMPLE) -> frozenset[str]:
    """Ids of the images that the classical methods are scored on: ALL, or a SAMPLE of SAMPLE_SIZE.

    A sample is the same for every run and set, and grows into that of more images with few changes.
    """
    if choice == ALL or len(ids) <= SAMPLE_SIZE:
        return frozenset(ids)
    # Not by the hash that the split goes by.
    ranks = {image_id: hash_of(f"classical methods {image_id}") for image_id in ids}
    return frozenset(sorted(ids, key=ranks.__getitem__)[:SAMPLE_SIZE])
