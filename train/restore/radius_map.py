"""Shows the estimated blur of a photograph: a line, and a map with its scale."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from prepare.photographs.photograph import Photograph
from prepare.photographs.writer import write_photograph
from train.restore.scales import BlurMap
from train.restore.targets import result_file

LONGEST_PX, LEAST_PX = 1600, 480  # longest side of the map; a small photograph's is enlarged
# Equal steps of lightness, told apart by the color-blind (viridis, by van der Walt and Smith, CC0).
COLORS = np.array(
    [[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]], np.float32
)
UNSURE_GRAY = np.float32(128)
CONFIDENT = 0.5  # a place below is changed by less than half of what it would be
PAPER, INK = (255, 255, 255), (32, 32, 32)


def described(blur: BlurMap) -> str:
    """One line: the range of the radius, and how much of the photograph is not certain."""
    low, middle, high = np.percentile(blur.radius_px, (2, 50, 98))
    text = f"blur of {low:.1f} to {high:.1f} pixels in radius, half of it above {middle:.1f}"
    unsure = float(np.mean(blur.confidence < CONFIDENT))
    if unsure >= 0.005:  # rounds to 1 % at least
        text += f"; less changed where that is not certain ({100 * unsure:.0f} % of it)"
    return text


def write_map(path: Path, blur: BlurMap, note: str) -> None:
    """Writes the radius at each place as a PNG with its scale, marked as ours.

    Args:
        path: of the file.
        blur: the blur.
        note: see `train.restore.targets.note_of`.
    """
    pixels = np.asarray(render_map(blur))
    with result_file(path, note) as file:
        write_photograph(file, Photograph(pixels), pixels, note)


def render_map(blur: BlurMap) -> Image.Image:
    """The map above its scale in pixels; gray where it is not certain."""
    highest = scale_end(float(blur.radius_px.max()))
    places = colors_of(blur.radius_px / highest)
    confidence = blur.confidence[..., None]
    places = places * confidence + UNSURE_GRAY * (1 - confidence)
    image = Image.fromarray(np.rint(places).astype(np.uint8))
    longest = max(image.size)
    factor = min(LONGEST_PX, max(LEAST_PX, 4 * longest)) / longest
    width, height = (max(1, round(side * factor)) for side in image.size)
    image = image.resize((width, height), Image.Resampling.BILINEAR)
    page = Image.new("RGB", (max(width, LEAST_PX), height + 96), PAPER)
    page.paste(image, ((page.width - width) // 2, 0))
    render_scale(page, height + 20, highest, bool(blur.confidence.min() < 1))
    return page


def scale_end(highest_px: float) -> int:
    """The end of a scale whose quarters are whole pixels."""
    return max(4, 4 * int(np.ceil(highest_px / 4)))


def colors_of(shares: np.ndarray) -> np.ndarray:
    """Colors of a scale's places: float32, (.., 3), 0..255, of shares 0..1."""
    places = np.linspace(0, 1, len(COLORS))
    return np.stack([np.interp(shares, places, channel) for channel in COLORS.T], -1).astype("f4")


def render_scale(page: Image.Image, top: int, highest: int, unsure: bool) -> None:
    """Puts the scale of the map into a page, from `top` on."""
    left, right, font = 24, page.width - 24, ImageFont.load_default(15)
    bar = colors_of(np.linspace(0, 1, right - left))[None].repeat(18, 0)
    page.paste(Image.fromarray(np.rint(bar).astype(np.uint8)), (left, top))
    draw = ImageDraw.Draw(page)
    for quarter in range(5):
        x = left + (right - left - 1) * quarter // 4
        draw.line([(x, top + 18), (x, top + 23)], INK)
        anchor = ("la", "ma", "ma", "ma", "ra")[quarter]
        draw.text((x, top + 26), str(highest * quarter // 4), INK, font, anchor)
    text = "radius of the blur, pixels of the photograph"
    if unsure:
        text += "; gray: not certain, less changed"
    draw.text((page.width // 2, top + 48), text, INK, ImageFont.load_default(13), "ma")
