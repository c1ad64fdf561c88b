"""Settings of a blurred set, and the name that they give it. Needs the standard library alone."""

import math
from dataclasses import dataclass, fields, replace
from typing import Any

from prepare.records.ranges import Spread, number_text
from prepare.records.settings import require, setting

WIDTH_OF_RADIUS = 1024  # radius_px counts pixels of an original this wide
MOST_DRAWS = 999
LONGEST_NAME = 200  # of a set's folder, characters; file systems allow 255 bytes

Value = Any  # a number, a word or a switch; where it is a set's setting, maybe a Spread of them


@dataclass(frozen=True)
class OutputSettings:
    """How the small pictures are written."""

    size: int = setting(256, "side of the written images, pixels")
    quality: int = setting(95, "JPEG quality, 1-100, always with full chroma resolution")

    def __post_init__(self) -> None:
        require(self.size >= 16, "size", "at least 16 pixels", self.size)
        require(1 <= self.quality <= 100, "quality", "between 1 and 100", self.quality)


@dataclass(frozen=True)
class Aperture:
    """Shape of the opening of the lens, and how its light falls; its size is the radius beside it.

    Attributes:
        num_blades: 0 for a disc, or 3 to 9 sides of a regular polygon.
        curvature: how far each side bows from straight (0) to the circle's arc (100), in percent.
        rotation: angle of the polygon in degrees, counterclockwise as seen in the picture. At 0
            one corner points up.
        softness: sigma of a Gaussian that softens its edge, percent of the radius.
        rim: how much brighter its rim is than its middle, percent; darker below 0.
        vignetting: how far the edge of the lens cuts into it, percent of the radius.
    """

    num_blades: int
    curvature: float
    rotation: float
    softness: float = 0.0
    rim: float = 0.0
    vignetting: float = 0.0


@dataclass(frozen=True)
class LensBlur:
    """Settings of one blurred set. Each may be a `Spread`, from which it is drawn for every image.

    Attributes:
        radius_px: radius of the circle of confusion, in pixels of a 1024-pixel-wide original; of a
            polygon, to its corners.
        depth: whether the radius varies with a depth map.
        focus: with depth, the depth that stays sharp; None is 0.
        recipe: name of the recipe that the settings are, if they are one.
        draw: which of several sets with the same spreads, from 1 up; each draws values of its own.
    """

    radius_px: Value = setting(30.0, "radius, pixels", flag=False)
    blades: Value = setting(0, "sides of the iris, 3-9; 0 is a disc")
    curvature: Value = setting(0.0, "of the sides, percent: 0 straight, 100 the circle's arc")
    rotation: Value = setting(0.0, "of the iris, degrees counterclockwise; at 0 a corner points up")
    brightness: Value = setting(
        0.0, "of highlights, 0 to 100: their light is multiplied by 1 + this / 10"
    )
    threshold: Value = setting(
        255.0, "luma from which a pixel is a highlight, levels; 255: none is"
    )
    noise: Value = setting(0.0, "grain added after the blur, percent of 255 levels, 0 to 100")
    noise_kind: Value = setting(
        "gaussian", "distribution of the grain; photon is gaussian that grows with light"
    )
    monochromatic: Value = setting(False, "the same grain in all three channels")
    linear: Value = setting(False, "blur and reduce in linear light, not in encoded values")
    depth: bool = setting(False, "the radius varies with a depth map", flag=False)
    focus: Value = setting(None, "with --depth: the depth that stays sharp, 0 (near) to 255")
    softness: Value = setting(0.0, "Gaussian on the aperture's edge: sigma, percent of the radius")
    rim: Value = setting(0.0, "light at the aperture's rim over its middle, percent, -100 to 100")
    vignetting: Value = setting(
        0.0, "cat's eye: how far the lens's edge cuts into the aperture, percent of the radius"
    )
    fringe: Value = setting(
        0.0, "color fringes: radius of red larger, of blue smaller by this percent, -50 to 50"
    )
    gamma: Value = setting(
        0.0, "with --linear: exponent of the camera's tone curve; 0 is sRGB's own curve"
    )
    layers: Value = setting(
        1, "depths: random parts in front of the back, each of another radius, 1-4; no map needed"
    )
    coarseness: Value = setting(0.0, "Gaussian on the grain: sigma, written pixels, 0-5")
    sharpening: Value = setting(0.0, "a camera's, of the blurred half: unsharp mask, percent")
    jpeg: Value = setting(0, "quality at which the blurred half was once compressed; 0: never")
    subsampling: Value = setting(False, "with --jpeg: half the chroma resolution, 4:2:0")
    recipe: str = setting("", "recipe that says what all of these are drawn from", flag=False)
    draw: int = setting(1, "number of the set among those drawn from the same", flag=False)

    def __post_init__(self) -> None:
        for name in (*LIMITS, "blades", "noise_kind", *SWITCHES):
            value = normalize(name, getattr(self, name))
            object.__setattr__(self, name, value)
            for one in value if isinstance(value, Spread) else (value,):
                check_value(name, one)
        is_number = type(self.draw) is int and 1 <= self.draw <= MOST_DRAWS
        require(is_number, "draw", f"a whole number from 1 to {MOST_DRAWS}", self.draw)
        drawn_of = "1 where nothing is drawn; give a range, as in RADIUS=10-40"
        require(self.draw == 1 or bool(self.spreads), "draw", drawn_of, self.draw)
        expected = "given with --depth, the folder of depth maps"
        require(self.focus is None or self.depth, "focus", expected, self.focus)
        one_layer = not self.depth or self.layers == 1
        require(one_layer, "layers", "1 with --depth, which says what lies where", self.layers)
        if self.depth and self.focus is None:
            object.__setattr__(self, "focus", 0.0)

    @property
    def values(self) -> dict[str, Value]:
        """All settings by name, in their order."""
        return {each.name: getattr(self, each.name) for each in fields(self)}

    @property
    def simplified(self) -> "LensBlur":
        """The settings that give the same pictures, those without effect at their default.

        A recipe stays as it is, and so does what is drawn.
        """
        if self.recipe:
            return self
        values, defaults = self.values, {field.name: field.default for field in fields(self)}
        for names, where in NO_EFFECT_WHEN:
            if all(self.values[name] == value for name, value in where.items()):
                fixed = (name for name in names if name not in self.spreads)
                values |= {name: defaults[name] for name in fixed}
        return LensBlur(**values)

    @property
    def spreads(self) -> dict[str, Spread]:
        """The settings that are drawn for each image, by name."""
        return {name: value for name, value in self.values.items() if isinstance(value, Spread)}

    @property
    def name(self) -> str:
        """Folder name of the set; others have another, but for a recipe that has changed."""
        if self.recipe:
            return f"{self.recipe}-{self.draw:02d}"
        mixed = isinstance(self.blades, Spread)
        parts = ["mixed" if mixed else SHAPES[self.blades], f"r{shown(self.radius_px)}"]
        parts += [f"blades{self.blades}"] * mixed
        for each in fields(self):
            value = getattr(self, each.name)
            if each.name in ("radius_px", "blades") or value == each.default:
                continue
            if each.name == "noise_kind":
                parts.append(str(value))
            elif value is True:
                parts.append(each.name)
            else:
                parts.append(f"{each.name}{shown(value)}")
        return "-".join(parts)

    @property
    def make_words(self) -> list[str]:
        """The words behind `make blur` that make this very set, as in RADIUS=33.5 BLADES=6."""
        if self.recipe:
            return [f"KERNEL={self.recipe}", f"DRAWS={self.draw}"]
        words = [f"RADIUS={shown(self.radius_px)}"]
        for each in fields(self):
            value = getattr(self, each.name)
            if each.name == "radius_px" or value == each.default:
                continue
            name = "DRAWS" if each.name == "draw" else each.name.upper()
            words.append(f"{name}={'maps' if each.name == 'depth' else shown(value)}")
        return words

    def check_name(self) -> None:
        """Raises SettingError if the name of the set is none that a folder can have."""
        expected = "a recipe, as in KERNEL=wild, since so many ranges make too long a name"
        require(len(self.name) <= LONGEST_NAME, "radius_px", expected, self.radius_px)

    def sample(self, image_id: str) -> "LensBlur":
        """The settings for one image, each spread in the place of a value drawn from the id."""
        again = f" {self.draw}" if self.draw > 1 else ""
        values: dict[str, Any] = {
            name: spread.sample(f"{name.removesuffix('_px')}{again} {image_id}", name in INTEGER)
            for name, spread in self.spreads.items()
        }
        if values.get("radius_px") == 0 and self.recipe:
            return LensBlur(0)  # as sharp as the sharp half, and equal to it
        return replace(self, **values, recipe="", draw=1) if values else self

    def sampled_values(self, image_id: str) -> dict[str, Value]:
        """What was drawn for one image, by setting."""
        sample = self.sample(image_id)
        return {name: getattr(sample, name) for name in self.spreads}

    @property
    def has_one_radius(self) -> bool:
        """Whether the radius is the same in all images, and everywhere in them."""
        return not (self.depth or self.layers != 1 or isinstance(self.radius_px, Spread))

    @property
    def aperture(self) -> Aperture:
        """Shape of the PSF, of settings without spreads."""
        return Aperture(*(getattr(self, name) for name in APERTURE))

    @property
    def symmetry(self) -> tuple[bool, bool]:
        """Whether the blur is as likely mirrored, left for right, and after a quarter turn."""
        is_round = (self.blades == 0 or self.curvature == 100) and self.vignetting == 0
        any_way = isinstance(self.rotation, Spread) and self.rotation == Spread([(0.0, 360.0)])
        return is_round or any_way or self.rotation == 0, is_round or any_way  # 0: a corner is up


SHAPES = {0: "disc", 3: "triangle", 4: "square", 5: "pentagon", 6: "hexagon"}
SHAPES |= {7: "heptagon", 8: "octagon", 9: "nonagon"}
NOISE_KINDS = ("gaussian", "uniform", "photon")
LIMITS = {  # of the numbers; what is drawn lies between them as well
    "radius_px": (0, 512),
    "curvature": (0, 100),
    "rotation": (0, 360),
    "brightness": (0, 100),
    "threshold": (0, 255),
    "noise": (0, 100),
    "focus": (0, 255),
    "softness": (0, 100),
    "rim": (-100, 100),
    "vignetting": (0, 100),
    "fringe": (-50, 50),
    "gamma": (0, 4),
    "layers": (1, 4),
    "coarseness": (0, 5),
    "sharpening": (0, 500),
    "jpeg": (0, 100),
}
SWITCHES = ("monochromatic", "linear", "subsampling")
APERTURE = ("blades", "curvature", "rotation", "softness", "rim", "vignetting")
NO_EFFECT_WHEN = (  # settings that change no picture where others have these values
    ((*APERTURE, "fringe"), {"radius_px": 0, "layers": 1, "depth": False}),
    (("curvature",), {"blades": 0}),
    (("rotation",), {"blades": 0, "vignetting": 0}),
    (("brightness",), {"threshold": 255}),
    (("threshold",), {"brightness": 0}),
    (("gamma",), {"linear": False}),
    (("noise_kind", "monochromatic", "coarseness"), {"noise": 0}),
    (("subsampling",), {"jpeg": 0}),
)
INTEGER = {"blades", "layers", "jpeg", *SWITCHES}


def shown(value: object) -> object:
    """A setting's value as it is typed."""
    if isinstance(value, Spread):
        return str(value)
    if isinstance(value, bool):
        return int(value)
    return number_text(value) if isinstance(value, float) and math.isfinite(value) else value


def normalize(name: str, value: Any) -> Any:
    """A setting's value in its own type, a spread as a `Spread`."""
    if isinstance(value, (tuple, list)):
        spread = Spread.of_plain(value)
        lowest = [part[0] <= part[1] for part in spread if not isinstance(part, str)]
        require(all(lowest), name, "a range from low to high", spread)
        if len(set(spread)) > 1 or len(set(spread.numbers)) > 1:
            return spread
        value = spread[0] if isinstance(spread[0], str) else spread[0][0]
    if value is None or isinstance(value, str):
        return value
    if name in SWITCHES and value in (0, 1):
        return bool(value)
    if name in INTEGER:
        return int(value) if value == value // 1 else value
    return float(value) + 0.0


def check_value(name: str, value: Any) -> None:
    """Raises SettingError if a setting may not have a value, or the ends of a range."""
    ends = value if isinstance(value, tuple) else (value,)
    for end in ends:
        if name == "noise_kind":
            require(end in NOISE_KINDS, name, " or ".join(NOISE_KINDS), end)
        elif name == "blades":
            require(end in SHAPES, name, "0 (disc) or 3 to 9", shown(end))
        elif name in SWITCHES:
            require(end in (0, 1), name, "0 or 1", shown(end))
        elif name != "focus" or end is not None:
            low, high = LIMITS[name]
            pixels = " (pixels)" if name == "radius_px" else ""
            expected = f"a number between {low} and {high}{pixels}"
            is_number = isinstance(end, (int, float)) and low <= end <= high
            require(is_number, name, expected, shown(end))
    if name in INTEGER and isinstance(value, tuple):
        require(all(end % 1 == 0 for end in ends), name, "whole numbers", shown(Spread([value])))
    if name == "blades" and isinstance(value, tuple):
        within = value[0] == value[1] or value[0] >= 3
        require(within, name, "0, or a range within 3-9", shown(Spread([value])))
