"""Settings of a blurred set and the name made from them. Needs only the standard library."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from prepare.records.ranges import Spread, as_typed
from prepare.records.settings import normalize, require, setting

WIDTH_OF_RADIUS = 1024  # radius_px counts pixels of an original this wide
DRAWS = range(1, 1000)
LONGEST_NAME = 200  # of a set's folder, characters; file systems allow 255 bytes
SHAPES = {0: "disc", 3: "triangle", 4: "square", 5: "pentagon", 6: "hexagon"}
SHAPES |= {7: "heptagon", 8: "octagon", 9: "nonagon"}
NOISES = ("gaussian", "uniform", "photon")
SWITCH = (0, 1)

Value = Any  # a number, a word or a switch; where it is a set's setting, maybe a Spread of them


@dataclass(frozen=True)
class OutputSettings:
    """How the small pictures are written."""

    size: int = setting(256, "side of the written images, pixels", choices=range(16, 65501))
    quality: int = setting(
        95, "JPEG quality, always with full chroma resolution", choices=range(1, 101)
    )

    def __post_init__(self) -> None:
        normalize(self)


@dataclass(frozen=True)
class Aperture:
    """Shape of the lens opening and its light; the radius gives its size."""

    num_blades: int = 0  # a disc, or 3 to 9 sides of a regular polygon
    curvature: float = 0.0  # of the sides, percent: 0 straight, 100 the circle's arc
    rotation: float = 0.0  # degrees, counterclockwise as seen; at 0 a corner points up
    softness: float = 0.0  # sigma of a Gaussian that softens the edge, percent of the radius
    rim: float = 0.0  # how much brighter the rim is than the middle, percent; darker below 0
    vignetting: float = 0.0  # how far the edge of the lens cuts into it, percent of the radius


@dataclass(frozen=True)
class LensBlur:
    """Settings of one blurred set; most may be a `Spread`, which is random for each image."""

    radius_px: Value = setting(30.0, "radius, pixels", (0, 512), flag=False)
    blades: Value = setting(0, "aperture blades; 0 is a disc", choices=SHAPES)
    curvature: Value = setting(0.0, "bend of the sides, percent; 100 is a circle", (0, 100))
    rotation: Value = setting(0.0, "degrees counterclockwise; at 0 a corner points up", (0, 360))
    brightness: Value = setting(0.0, "highlights get 1 + this / 10 times the light", (0, 100))
    threshold: Value = setting(255.0, "lowest luma of a highlight; 255: no highlights", (0, 255))
    noise: Value = setting(0.0, "grain added after the blur, percent of 255 levels", (0, 100))
    noise_kind: Value = setting("gaussian", "of grain; photon grows with light", choices=NOISES)
    monochromatic: Value = setting(False, "the same grain in all three channels", choices=SWITCH)
    linear: Value = setting(False, "blur in linear light, not in encoded values", choices=SWITCH)
    depth: bool = setting(False, "the radius varies with a depth map", flag=False)
    focus: Value = setting(None, "with --depth: the depth that stays sharp; 0 is near", (0, 255))
    softness: Value = setting(0.0, "blur of the aperture's edge, percent of the radius", (0, 100))
    rim: Value = setting(0.0, "more light at the rim than in the middle, percent", (-100, 100))
    vignetting: Value = setting(0.0, "cut of the aperture's side, percent of the radius", (0, 100))
    fringe: Value = setting(0.0, "color fringes: red larger, blue smaller, percent", (-50, 50))
    gamma: Value = setting(0.0, "with --linear: exponent of the tone curve; 0: sRGB", (0, 4))
    layers: Value = setting(1, "number of random depths, without a depth map", choices=range(1, 5))
    coarseness: Value = setting(0.0, "sigma of a Gaussian on the grain, written pixels", (0, 5))
    sharpening: Value = setting(0.0, "unsharp mask on the blurred half, percent", (0, 500))
    jpeg: Value = setting(0, "quality of an earlier JPEG compression; 0: none", choices=range(101))
    subsampling: Value = setting(False, "with --jpeg: half the chroma, 4:2:0", choices=SWITCH)
    recipe: str = setting("", "recipe that chooses all of these", flag=False)
    draw: int = setting(1, "number among such sets", choices=DRAWS, flag=False)

    def __post_init__(self) -> None:
        normalize(self)
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
    def changed(self) -> dict[str, Value]:
        """The settings that are not at their default, by name."""
        return {
            name: value for name, value in self.values.items() if value != getattr(LensBlur, name)
        }

    @property
    def spreads(self) -> dict[str, Spread]:
        """The settings that are random for each image, by name."""
        return {name: value for name, value in self.values.items() if isinstance(value, Spread)}

    @property
    def simplified(self) -> "LensBlur":
        """The settings that give the same pictures, those without effect at their default.

        A recipe stays as it is, and so does what is drawn.
        """
        if self.recipe:
            return self
        values = self.values
        for names, where in NO_EFFECT_WHEN:
            if all(getattr(self, name) == value for name, value in where.items()):
                fixed = (name for name in names if name not in self.spreads)
                values |= {name: getattr(LensBlur, name) for name in fixed}
        return LensBlur(**values)

    @property
    def name(self) -> str:
        """Folder name of the set; others have another, but for a recipe that has changed."""
        if self.recipe:
            return f"{self.recipe}-{self.draw:02d}"
        mixed = isinstance(self.blades, Spread)
        parts = ["mixed" if mixed else SHAPES[self.blades], f"r{as_typed(self.radius_px)}"]
        for name, value in self.changed.items():
            if name == "noise_kind":
                parts.append(str(value))
            elif name != "radius_px" and (name != "blades" or mixed):
                parts.append(name if value is True else f"{name}{as_typed(value)}")
        return "-".join(parts)

    def __str__(self) -> str:
        return self.name

    @property
    def make_words(self) -> list[str]:
        """The words behind `make blur` that make this very set, as in RADIUS=33.5 BLADES=6."""
        if self.recipe:
            return [f"KERNEL={self.recipe}", f"DRAWS={self.draw}"]
        typed = {"radius_px": self.radius_px} | self.changed
        if self.depth:
            typed["depth"] = "maps"
        names = {"radius_px": "RADIUS", "draw": "DRAWS"}
        return [f"{names.get(n, n.upper())}={as_typed(value)}" for n, value in typed.items()]

    def check_name(self) -> None:
        """Raises SettingError if the name of the set is none that a folder can have."""
        expected = "a recipe, as in KERNEL=wild, since so many ranges make too long a name"
        require(len(self.name) <= LONGEST_NAME, "radius_px", expected, self.radius_px)

    def sample(self, image_id: str) -> "LensBlur":
        """The settings for one image: each spread becomes a value chosen by the id."""
        again = f" {self.draw}" if self.draw > 1 else ""
        values: dict[str, Any] = {
            name: spread.sample(
                f"{name.removesuffix('_px')}{again} {image_id}",
                isinstance(getattr(LensBlur, name), int),
            )
            for name, spread in self.spreads.items()
        }
        if values.get("radius_px") == 0 and self.recipe:
            return LensBlur(0)  # as sharp as the sharp half, and equal to it
        return replace(self, **values, recipe="", draw=1) if values else self

    def sampled_values(self, image_id: str) -> dict[str, Value]:
        """The random values of one image, by setting."""
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


@dataclass(frozen=True)
class SetSettings:
    """The blurred sets to make, and how to make them."""

    blurs: Sequence[LensBlur]
    output: OutputSettings
    workers: int  # processes
    depth_dir: Path | None  # depth maps named by id, for blurs that want them


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
