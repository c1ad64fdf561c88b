"""Recipes: spreads of all settings at once, for sets of the blur that real photographs have.

A recipe has several kinds of set, in turn: the first set is of the first kind, and so on.
"""

from prepare.records.blur_settings import LensBlur
from prepare.records.spread import Spread

# What the settings of real blur were found or are assumed to be: light is blurred before the
# camera encodes it; edges of the blur are anything from hard to Gaussian; apertures have any shape;
# one picture in seven is sharp, so that a network learns to leave such alone.
WILD = LensBlur(
    radius_px=Spread.of_text("0,2-46,2-46,2-46,2-30,4-20,4-12"),
    blades=Spread.of_text("0,0,0,5-9"),
    curvature=Spread.of_text("0-100"),
    rotation=Spread.of_text("0-360"),
    brightness=Spread.of_text("0,0,0,5-40"),
    threshold=Spread.of_text("235-254"),
    noise=Spread.of_text("0,0,0-1.2"),
    noise_kind=Spread.of_text("photon,gaussian"),
    monochromatic=Spread.of_text("0,0,1"),
    linear=Spread.of_text("0,1,1,1"),
    softness=Spread.of_text("0-12,0-12,12-50"),
    rim=Spread.of_text("-60-60"),
    vignetting=Spread.of_text("0,0,0-60"),
    fringe=Spread.of_text("0,-10-10"),
    gamma=Spread.of_text("0,1.8-2.4"),
    layers=Spread.of_text("1,1,2,3"),
    coarseness=Spread.of_text("0,0-0.8"),
    sharpening=Spread.of_text("0,0,0,0,20-80"),
    jpeg=Spread.of_text("0,30-75,30-75,60-98"),
    subsampling=Spread.of_text("0,1"),
    recipe="wild",
)
# Among so much noise and JPEG clean copies are rare, and a network learns to be careful with all.
# Every second set is of the lens alone, and clean blur is taken out whole again.
WILD_LENS = LensBlur(
    radius_px=WILD.radius_px,
    blades=WILD.blades,
    curvature=WILD.curvature,
    rotation=WILD.rotation,
    linear=Spread.of_text("0,1"),
    recipe="wild",
)
RECIPES = {"wild": (WILD, WILD_LENS)}


def recipe_set(recipe: str, number: int) -> LensBlur:
    """What the set of that number, from 1 up, of a recipe is made by."""
    kinds = RECIPES[recipe]
    return kinds[(number - 1) % len(kinds)].with_draw(number)


def blur_of_name(name: str) -> LensBlur | None:
    """The settings whose set has this name, a recipe's or its own; None if none has."""
    recipe, _, draw = name.rpartition("-")
    if recipe in RECIPES and draw.isascii() and draw.isdecimal() and int(draw) > 0:
        blur = recipe_set(recipe, int(draw))
        return blur if blur.name == name else None
    return LensBlur.from_name(name)
