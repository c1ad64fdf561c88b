"""The pictures of docs/blur.md: a drawn portrait with every setting of the blur.

.venv/bin/python -m benchmarks.draw_settings docs
"""

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from prepare.blur.lens_blur import blur_and_reduce
from prepare.drawing.sample import portrait
from prepare.records.blur import LensBlur
from prepare.records.psf import aperture_psf
from prepare.records.sets import recipe_set

PORTRAIT = {"index": 12, "seed": 0}
LIGHTS = ((80, 160), (180, 330), (100, 500), (880, 150), (800, 290), (920, 480))  # added: x, y
LIGHT_PX = 8  # their radius
FACE = (190, 30, 830, 1150)  # what is near in the depth map: left, top, right, bottom

SIZE, PART_PX, LEFT_PX, TOP_PX = 512, 232, 16, 50  # of the written picture, and its part in a tile
SHAPE_PX, SHAPE_RADIUS_PX = 72, 32.0  # of the aperture in a tile's corner
COLUMNS, GAP_PX, TEXT_PX = 4, 14, 38
PAPER, INK = "#f6f7f9", "#1c1f23"  # on a page that is light or dark
QUALITY = 82

# Of every aperture's tile, which shows the lights; its words leave it out.
LIT = {"linear": True, "brightness": 40, "threshold": 250}
APERTURES = [
    *(LensBlur(radius) for radius in (0, 15, 30, 45)),
    *(LensBlur(30, blades) for blades in range(3, 10)),
    LensBlur(30, 5, curvature=50),
    LensBlur(30, 5, rotation=36),
    LensBlur(30, softness=30),
    *(LensBlur(30, rim=rim) for rim in (-80, 80)),
    *(LensBlur(30, vignetting=50, rotation=rotation) for rotation in (0, 90)),
    *(LensBlur(30, fringe=fringe) for fringe in (15, -15)),
]
CAMERAS = [
    LensBlur(30),
    LensBlur(30, brightness=40, threshold=250),
    LensBlur(30, linear=True),
    LensBlur(30, linear=True, gamma=1.6),
    *(LensBlur(15, noise=6, noise_kind=kind) for kind in ("gaussian", "uniform", "photon")),
    LensBlur(15, noise=6, monochromatic=True),
    LensBlur(15, noise=6, coarseness=1),
    LensBlur(15, sharpening=200),
    LensBlur(15, jpeg=10),
    LensBlur(15, jpeg=10, subsampling=True),
    LensBlur(30, layers=3),
    LensBlur(30, depth=True, focus=60),
    LensBlur(30, depth=True, focus=255),
    recipe_set("wild", 11),
]


def photograph(side: int = 1024) -> np.ndarray:
    """A drawn portrait before small lights, uint8, (side, side, 3), RGB."""
    image = Image.fromarray(portrait(**PORTRAIT, side=side))
    draw = ImageDraw.Draw(image)
    for x, y in LIGHTS:
        draw.circle((x * side / 1024, y * side / 1024), LIGHT_PX * side / 1024, "#ffffff")
    return np.array(image)


def depth_map(side: int = 1024) -> np.ndarray:
    """Its depths, uint8, (side, side): the face near, the wall far."""
    image = Image.new("L", (side, side), 255)
    ImageDraw.Draw(image).ellipse([place * side / 1024 for place in FACE], 60)
    return np.array(image)


def shape_of(blur: LensBlur) -> np.ndarray:
    """What a point of light becomes, brightest at white, uint8, square, RGB."""
    scale = SHAPE_RADIUS_PX / 45
    channels = []
    for fringe in (blur.fringe, 0.0, -blur.fringe):
        radius_px = blur.radius_px * scale * (1 + fringe / 100)
        psf = aperture_psf(radius_px, blur.aperture)
        frame = np.zeros((4 * SHAPE_PX + 1,) * 2)  # wide enough for any
        reach, middle = psf.shape[0] // 2, 2 * SHAPE_PX
        inside = slice(middle - reach, middle + reach + 1)
        frame[inside, inside] = psf / psf.max()
        half = SHAPE_PX // 2
        channels.append(frame[middle - half : middle + half, middle - half : middle + half])
    return np.rint(np.dstack(channels) * 255).astype(np.uint8)


def tile(photo: np.ndarray, blur: LensBlur, lit: bool) -> Image.Image:
    """A part of the photograph blurred, with the aperture in its corner, over the words for it."""
    lighted = replace(blur, **LIT) if lit else blur
    depth = depth_map(len(photo)) if blur.depth else None
    [blurred] = blur_and_reduce(photo, [lighted], SIZE, "portrait", depth)
    part = Image.fromarray(blurred[TOP_PX : TOP_PX + PART_PX, LEFT_PX : LEFT_PX + PART_PX])
    if lit:
        part.paste(Image.fromarray(shape_of(blur)), (PART_PX - SHAPE_PX, 0))
    framed = Image.new("RGB", (PART_PX, PART_PX + TEXT_PX), PAPER)
    framed.paste(part)
    draw, font = ImageDraw.Draw(framed), ImageFont.load_default(14)
    for row, line in enumerate(lines_of(blur.make_words, draw, font)):
        draw.text((0, PART_PX + 3 + 17 * row), line, INK, font)
    return framed


def lines_of(words: Sequence[str], draw: ImageDraw.ImageDraw, font: ImageFont.ImageFont) -> list:
    """Words in lines that fit under a tile."""
    lines = [""]
    for word in words:
        longer = f"{lines[-1]} {word}".strip()
        if draw.textlength(longer, font) > PART_PX:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def sheet(photo: np.ndarray, blurs: Sequence[LensBlur], lit: bool) -> Image.Image:
    """Tiles in rows."""
    tiles = [tile(photo, blur, lit) for blur in blurs]
    width, height = tiles[0].width + GAP_PX, tiles[0].height + GAP_PX
    num_rows = -(-len(tiles) // COLUMNS)
    page = Image.new("RGB", (COLUMNS * width + GAP_PX, num_rows * height + GAP_PX), PAPER)
    for index, each in enumerate(tiles):
        row, column = divmod(index, COLUMNS)
        page.paste(each, (GAP_PX + column * width, GAP_PX + row * height))
    return page


def draw_settings(folder: Path, side: int = 1024) -> None:
    """Writes both pictures into a folder."""
    photo = photograph(side)
    for name, blurs in (("apertures", APERTURES), ("cameras", CAMERAS)):
        path = folder / f"{name}.jpg"
        sheet(photo, blurs, lit=blurs is APERTURES).save(path, quality=QUALITY, subsampling=0)
        print(f"{path}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    draw_settings(Path(sys.argv[1]))
