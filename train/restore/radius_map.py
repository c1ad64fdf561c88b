"""Shows what blur was seen in a photograph: a line, and a map with its scale."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo

from prepare.photographs.writer import MARK
from prepare.records.files import atomic_file
from train.restore.scales import Seen

LONGEST_PX, LEAST_PX = 1600, 480  # longest side of the map; a small photograph's is enlarged
# Equal steps of lightness, told apart by the color-blind (viridis, by van der Walt and Smith, CC0).
COLORS = np.array(
    [[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]], np.float32
)
UNSURE_GRAY = np.float32(128)
SURE = 0.5  # of a place that is half changed or more
PAPER, INK = (255, 255, 255), (32, 32, 32)


def described(seen: Seen) -> str:
    """One line: the range of the radius, and how much of the photograph is not certain."""
    low, middle, high = np.percentile(seen.radius_px, (2, 50, 98))
    text = f"blur of {low:.1f} to {high:.1f} pixels in radius, half of it above {middle:.1f}"
    unsure = float(np.mean(seen.sureness < SURE))
    if unsure >= 0.005:
        text += f"; less changed where that is not certain ({100 * unsure:.0f} % of it)"
    return text


def write_map(path: Path, seen: Seen, source: str) -> None:
    """Writes the radius at each place as a PNG with its scale, marked as ours.

    Args:
        path: of the file.
        seen: the blur.
        source: what the file notes as its source, see `train.restore.targets.note_of`.
    """
    notes = PngInfo()
    software, ours = MARK.decode().split("\0")
    notes.add_text(software, ours)
    notes.add_text("Source", source)
    with atomic_file(path) as file:
        drawn(seen).save(file, "PNG", pnginfo=notes)


def drawn(seen: Seen) -> Image.Image:
    """The map above its scale in pixels; gray where it is not certain."""
    highest = scale_end(float(seen.radius_px.max()))
    places = colors_of(seen.radius_px / highest)
    sureness = seen.sureness[..., None]
    places = places * sureness + UNSURE_GRAY * (1 - sureness)
    image = Image.fromarray(np.rint(places).astype(np.uint8))
    longest = max(image.size)
    factor = min(LONGEST_PX, max(LEAST_PX, 4 * longest)) / longest
    width, height = (max(1, round(side * factor)) for side in image.size)
    image = image.resize((width, height), Image.Resampling.BILINEAR)
    page = Image.new("RGB", (max(width, LEAST_PX), height + 96), PAPER)
    page.paste(image, ((page.width - width) // 2, 0))
    _draw_scale(page, height + 20, highest, bool(seen.sureness.min() < 1))
    return page


def scale_end(highest_px: float) -> int:
    """The end of a scale whose quarters are whole pixels."""
    return max(4, 4 * int(np.ceil(highest_px / 4)))


def colors_of(shares: np.ndarray) -> np.ndarray:
    """Colors of a scale's places: float32, (.., 3), 0..255, of shares 0..1."""
    places = np.linspace(0, 1, len(COLORS))
    return np.stack([np.interp(shares, places, channel) for channel in COLORS.T], -1).astype("f4")


def _draw_scale(page: Image.Image, top: int, highest: int, unsure: bool) -> None:
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
