"""Describes the estimated blur of a photograph: one line of text, and a map with a scale."""

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from train.restore.restore import BlurMap

LONGEST_PX, LEAST_PX = 1600, 480  # longest side of the map; a small photograph's is enlarged
# Equal steps of lightness, also for the color-blind (viridis, by van der Walt and Smith, CC0).
COLORS = np.array(
    [[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]], np.float32
)
UNSURE_GRAY = np.float32(128)
CONFIDENT = 0.5  # a place below is changed by less than half of what it would be
LEAST_PX_SAID, LEAST_NOISE_SAID = 0.4, 2.0  # what is less is neither restored nor seen
PAPER, INK = (255, 255, 255), (32, 32, 32)


def described(blur: BlurMap) -> str:
    """One line: the range of the radius, the noise, and how much is uncertain."""
    low, middle, high = np.percentile(blur.radius_px, (2, 50, 98))
    text = f"blur radius {low:.1f} to {high:.1f} pixels, median {middle:.1f}"
    if round(high, 1) == round(low, 1):
        text = f"blur radius {middle:.1f} pixels"
    if high < LEAST_PX_SAID:
        text = "no blur found"
    if blur.noise >= LEAST_NOISE_SAID:
        text += f"; noise of about {blur.noise:.0f} levels"
    unsure = float(np.mean(blur.confidence < CONFIDENT))
    if unsure >= 0.005:  # rounds to 1 % at least
        text += f"; uncertain in {100 * unsure:.0f} %, where less is changed"
    return text


def render_map(blur: BlurMap) -> Image.Image:
    """The map of the radius, gray where it is uncertain, above its scale in pixels."""
    highest = max(4, 4 * int(np.ceil(blur.radius_px.max() / 4)))  # whole pixels at its quarters
    confidence = blur.confidence[..., None]
    places = colors_of(blur.radius_px / highest) * confidence + UNSURE_GRAY * (1 - confidence)
    image = Image.fromarray(np.rint(places).astype(np.uint8))
    longest = max(image.size)
    factor = min(LONGEST_PX, max(LEAST_PX, 4 * longest)) / longest
    width, height = (max(1, round(side * factor)) for side in image.size)
    image = image.resize((width, height), Image.Resampling.BILINEAR)
    page = Image.new("RGB", (max(width, LEAST_PX), height + 96), PAPER)
    page.paste(image, ((page.width - width) // 2, 0))
    left, right, top = 24, page.width - 24, height + 20
    bar = colors_of(np.linspace(0, 1, right - left))[None].repeat(18, 0)
    page.paste(Image.fromarray(np.rint(bar).astype(np.uint8)), (left, top))
    draw = ImageDraw.Draw(page)
    for quarter, anchor in enumerate(("la", "ma", "ma", "ma", "ra")):
        x = left + (right - left - 1) * quarter // 4
        draw.line([(x, top + 18), (x, top + 23)], INK)
        number = str(highest * quarter // 4)
        draw.text((x, top + 26), number, INK, ImageFont.load_default(15), anchor)
    text = "blur radius, pixels of the photograph"
    if blur.confidence.min() < 1:
        text += "; gray: uncertain, less changed"
    draw.text((page.width // 2, top + 48), text, INK, ImageFont.load_default(13), "ma")
    return page


def colors_of(shares: np.ndarray) -> np.ndarray:
    """Colors of a scale's places: float32, (.., 3), 0..255, of shares 0..1."""
    places = np.linspace(0, 1, len(COLORS))
    return np.stack([np.interp(shares, places, channel) for channel in COLORS.T], -1).astype("f4")
