"""Aligns the sharp picture of a real pair with the blurred one, in place, size and brightness.

A camera moves between two exposures, and its picture grows or shrinks with the focus. OpenCV's
`findTransformECC` is about as good, except for small shifts under strong blur: there its error is
0.56 pixels, and the error here is 0.17.
"""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter, map_coordinates, spline_filter

from prepare.records.srgb import linear_to_srgb, srgb_to_linear

LEAST_MOVE_PX = 0.05  # what is nearer is left as it is: resampling would cost more
LEAST_GAIN = 1.1  # of light; what leaks over the mask's edge makes 5 % where nothing changed
MOST_MOVE = 0.05  # of the longer side; what seems to be further off was not found
MOST_GAIN = 2.0
LEAST_DROP = 0.02  # of the residue, by which a move, and then size and angle, have to pay
MOST_SIDE_PX = 640  # larger pictures are compared reduced by a whole factor
FACTORS = (8, 4, 2, 1)  # from coarse to fine, so that moves of many pixels are found
LEAST_SIDE_PX, LEAST_PIXELS, MOST_PIXELS = 48, 200, 60_000  # of what is compared
LEAST_SCORED = 64 * 64  # pixels that have to be scored for a move to be told from a misfit
MOST_STEPS = 10
SIGMAS_PX = (0.0, 0.5, 0.8, 1.2, 1.8, 2.5, 3.5, 5.0, 7.0, 10.0, 14.0)
LUMINANCE = np.array([0.2126, 0.7152, 0.0722])  # of linear sRGB (ITU-R BT.709)
CLIPPED = 250  # levels from which light is lost
SIMILARITY, TRANSLATION = 4, 2  # numbers of parameters


@dataclass(frozen=True, eq=False)
class Aligned:
    """An aligned sharp picture, and how it was changed."""

    sharp_u8: np.ndarray  # (height, width, 3), RGB
    inside: np.ndarray  # bool, (height, width): where there is a picture after the move
    moved_px: float  # root mean square over the mask; 0 if it was left where it was
    light_ratio: float  # of the blurred picture over the given sharp one
    found: bool  # False if no place was found, and nothing was done


def align(blurred_u8: np.ndarray, sharp_u8: np.ndarray, mask: np.ndarray) -> Aligned:
    """Moves, scales, turns and brightens the sharp picture as the blurred one has it.

    The sharp picture is blurred by the Gaussian that makes it most like the blurred one, so that
    like is compared with like, and the move is found by Gauss-Newton steps on linear luminance
    over the mask, from coarse to fine, outliers held down. The sharp picture itself is resampled
    once, by quintic splines, which keep detail of up to 0.8 of the Nyquist frequency; the blurred
    one, which the network sees, never is.

    Takes uint8, (height, width, 3), RGB, and a mask, bool, (height, width), that says where both
    show the same scene.

    Reference: Baker, Matthews, "Lucas-Kanade 20 years on", IJCV 56, 2004, Sec. 3.1; weights of
    Geman and McClure.
    """
    move, sigma_px = find_move(luminance(blurred_u8), luminance(sharp_u8), mask)
    moves = displacement(np.argwhere(mask).T, mask.shape, move)
    moved_px = float(np.sqrt(np.mean(np.sum(moves**2, axis=0))))
    inside, moved_u8 = np.ones_like(mask), sharp_u8
    if not moved_px <= MOST_MOVE * max(mask.shape):  # also where it is no number
        return Aligned(sharp_u8, inside, 0.0, 1.0, False)
    if moved_px < LEAST_MOVE_PX:
        moved_px = 0.0
    else:
        inside, moved_u8 = resampled(sharp_u8, move)
    ratio = light_ratio_of(blurred_u8, moved_u8, mask & inside, sigma_px)
    if LEAST_GAIN < max(ratio, 1 / ratio) < MOST_GAIN:
        levels = linear_to_srgb(srgb_to_linear(np.arange(256) / 255.0) * ratio)
        moved_u8 = np.rint(255 * levels).astype(np.uint8)[moved_u8]
    return Aligned(moved_u8, inside, moved_px, ratio, True)


def luminance(picture_u8: np.ndarray) -> np.ndarray:
    """Linear luminance, 0..1, of an RGB picture, by table: photographs are large."""
    light = srgb_to_linear(np.arange(256) / 255.0)
    red, green, blue = (light * weight for weight in LUMINANCE)
    return red[picture_u8[..., 0]] + green[picture_u8[..., 1]] + blue[picture_u8[..., 2]]


def resampled(picture_u8: np.ndarray, move: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where a picture still is after a move, and the picture, resampled."""
    shape = picture_u8.shape[:2]
    places = np.indices(shape)
    sources = places + displacement(places, shape, move)
    ends = np.array(shape)[:, None, None] - 1
    inside = ((sources >= 0) & (sources <= ends)).all(0)
    channels = [
        map_coordinates(channel, sources, np.float64, order=5, mode="mirror")
        for channel in np.moveaxis(picture_u8, 2, 0)
    ]
    return inside, np.rint(np.stack(channels, -1)).clip(0, 255).astype(np.uint8)


def light_ratio_of(
    blurred_u8: np.ndarray, sharp_u8: np.ndarray, mask: np.ndarray, sigma_px: float
) -> float:
    """Light of the blurred picture over that of the sharp one, equally blurred; 1 if unknown."""
    clipped = (np.maximum(blurred_u8, sharp_u8) >= CLIPPED).any(-1).astype(np.float64)
    whole = mask & (gaussian_filter(clipped, sigma_px + 1) < 0.01)
    if np.count_nonzero(whole) < LEAST_PIXELS:
        return 1.0
    sharp, blurred = gaussian_filter(luminance(sharp_u8), sigma_px), luminance(blurred_u8)
    return float((blurred[whole].sum() + 1e-6) / (sharp[whole].sum() + 1e-6))


def find_move(blurred: np.ndarray, sharp: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, float]:
    """The move (see `displacement`), and the sigma of the Gaussian blur between the pictures."""
    smallest = -(-max(mask.shape) // MOST_SIDE_PX)
    move, sigma_px, pays = np.zeros(SIMILARITY), 0.0, False
    if np.count_nonzero(mask) < LEAST_SCORED:
        return move, sigma_px
    for factor in (smallest * each for each in FACTORS):
        if min(mask.shape) // factor < LEAST_SIDE_PX:
            continue
        compared = reduced(mask.astype(np.float64), factor) > 0.99
        compared[[0, 1, -2, -1]] = compared[:, [0, 1, -2, -1]] = False
        places = np.argwhere(compared).T
        if places.shape[1] < LEAST_PIXELS:
            continue
        places = places[:, np.random.default_rng(0).permutation(places.shape[1])[:MOST_PIXELS]]
        near = [s for s in SIGMAS_PX if not sigma_px or 0.4 < s * factor / sigma_px < 2.5]
        start = move / (factor, factor, 1, 1)
        target, small = reduced(blurred, factor)[tuple(places)], reduced(sharp, factor)
        found, sigma = find_move_at(target, small, places, start, near or [0.0])
        move, sigma_px = found * (factor, factor, 1, 1), sigma * factor
        copy, errors = gaussian_filter(small, sigma) if sigma else small, []
        for each in (found, np.zeros(SIMILARITY)):
            source = looked_up(copy, places, each, order=3)
            errors.append(np.mean(np.abs(target - fitted(source, target))))
        pays = errors[0] < (1 - LEAST_DROP) * errors[1]
    return (move if pays else np.zeros(SIMILARITY)), sigma_px


def find_move_at(
    target: np.ndarray, sharp: np.ndarray, places: np.ndarray, move: np.ndarray, sigmas_px: list
) -> tuple[np.ndarray, float]:
    """The shift and the blur at one size of the pictures, from some positions."""
    copies = {sigma: gaussian_filter(sharp, sigma) if sigma else sharp for sigma in sigmas_px}
    residues = {}
    for sigma, copy in copies.items():
        source = looked_up(copy, places, move, order=1)
        residues[sigma] = np.mean((target - fitted(source, target)) ** 2)
    sigma = min(residues, key=residues.__getitem__)
    translated, residue = gauss_newton(target, copies[sigma], places, move, TRANSLATION)
    scaled, less = gauss_newton(target, copies[sigma], places, translated, SIMILARITY)
    return (scaled if less < (1 - LEAST_DROP) * residue else translated), sigma


def gauss_newton(
    target: np.ndarray, sharp: np.ndarray, places: np.ndarray, move: np.ndarray, num: int
) -> tuple[np.ndarray, float]:
    """The move after Gauss-Newton steps of its first `num` parameters, and the residue."""
    y, x = from_center(places, sharp.shape)
    spline, gradients = spline_filter(sharp, 3, mode="mirror"), np.gradient(sharp)
    residue = 0.0
    for _ in range(MOST_STEPS):
        source = looked_up(spline, places, move, order=3, prefilter=False)
        dy, dx = (looked_up(gradient, places, move, order=1) for gradient in gradients)
        error = target - fitted(source, target)
        spread = 2.5 * 1.4826 * np.median(np.abs(error)) + 1e-9
        weights = 1 / (1 + (error / spread) ** 2) ** 2
        residue = float(np.sqrt(np.average(error**2, weights=weights)))
        columns = [dy, dx, y * dy + x * dx, x * dy - y * dx][:num]
        matrix = np.column_stack([*columns, source, np.ones_like(source)])
        weighted = (matrix * weights[:, None]).T
        change = np.linalg.lstsq(weighted @ matrix, weighted @ target, rcond=1e-12)[0]
        change = change[:num] / (change[num] or 1.0)  # it is of the picture times its gain
        move = move + np.pad(change, (0, SIMILARITY - num))
        if max(abs(change[:2])) < 0.003:
            break
    return move, residue


def fitted(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """`source` times a gain plus an offset, as near to `target` as can be."""
    columns = np.column_stack([source, np.ones_like(source)])
    return columns @ np.linalg.lstsq(columns, target, rcond=None)[0]


def displacement(places: np.ndarray, shape: tuple[int, ...], move: np.ndarray) -> np.ndarray:
    """How far down and to the right of some places the sharp picture is looked up.

    `move` is pixels down, pixels right, growth and turn (small) around the center.
    """
    y, x = from_center(places, shape)
    down, right, growth, turn = move
    return np.stack([down + growth * y + turn * x, right + growth * x - turn * y])


def from_center(places: np.ndarray, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Places as seen from the middle of a picture."""
    return places[0] - (shape[0] - 1) / 2, places[1] - (shape[1] - 1) / 2


def looked_up(
    picture: np.ndarray, places: np.ndarray, move: np.ndarray, order: int, prefilter: bool = True
) -> np.ndarray:
    """Values of a picture of one channel at places that were moved."""
    moved = places + displacement(places, picture.shape, move)
    return map_coordinates(picture, moved, order=order, mode="mirror", prefilter=prefilter)


def reduced(picture: np.ndarray, factor: int) -> np.ndarray:
    """Means of blocks of pixels, without incomplete blocks at the ends."""
    height, width = (side // factor for side in picture.shape)
    blocks = picture[: height * factor, : width * factor]
    return blocks.reshape(height, factor, width, factor).mean((1, 3))
