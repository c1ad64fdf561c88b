"""Settings of a blurred set, and the name that they give it. Needs the standard library alone."""

import math
import re
from dataclasses import dataclass, fields
from decimal import Decimal
from typing import Literal

from prepare.records.errors import require
from prepare.records.fields import setting
from prepare.records.hashing import hash_of

WIDTH_OF_RADIUS = 1024  # radius_px counts pixels of an original this wide
SHAPES = {0: "disc", 3: "triangle", 4: "square", 5: "pentagon", 6: "hexagon"}
SHAPES |= {7: "heptagon", 8: "octagon"}
HIGHEST = {"curvature": 100, "rotation": 360, "brightness": 100, "threshold": 255}
HIGHEST |= {"noise": 100, "focus": 255}
_NAME = re.compile(r"([a-z]+)-r([\d.]+)(?:-([\d.]+))?((?:-[a-z]+[\d.]*)*)")


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
    """Shape of the opening of the lens; its size is the radius given beside it.

    Attributes:
        num_blades: 0 for a disc, or 3 to 8 sides of a regular polygon.
        curvature: how far each side bows from straight (0) to the circle's arc (100), in percent.
        rotation: angle of the polygon in degrees, counterclockwise as seen in the picture. At 0
            one corner points up.
    """

    num_blades: int
    curvature: float
    rotation: float

    @property
    def turned_alike(self) -> bool:
        """Whether it is the same after a quarter turn, whatever its rotation."""
        return self.num_blades == 0 or self.curvature == 100

    @property
    def mirrored_alike(self) -> bool:
        """Whether it is the same in a mirror."""
        return self.turned_alike or self.rotation == 0  # then a corner points up


@dataclass(frozen=True)
class LensBlur:
    """Settings of one blurred set.

    Attributes:
        radius_px: radius of the circle of confusion, in pixels of a 1024-pixel-wide original; of a
            polygon, to its corners. A pair (low, high) draws one for every image from its id.
        depth: whether the radius varies with a depth map.
        focus: with depth, the depth that stays sharp; None is 0.
    """

    radius_px: float | tuple[float, float] = setting(30.0, "radius, pixels", flag=False)
    blades: Literal[0, 3, 4, 5, 6, 7, 8] = setting(0, "sides of the iris; 0 is a disc")
    curvature: float = setting(0.0, "of the sides, percent: 0 straight, 100 the circle's arc")
    rotation: float = setting(0.0, "of the iris, degrees counterclockwise; at 0 a corner points up")
    brightness: float = setting(
        0.0, "of highlights, 0 to 100: their light is multiplied by 1 + this / 10"
    )
    threshold: float = setting(
        255.0, "luma from which a pixel is a highlight, levels; 255: none is"
    )
    noise: float = setting(0.0, "grain added after the blur, percent of 255 levels, 0 to 100")
    noise_kind: Literal["gaussian", "uniform"] = setting("gaussian", "distribution of the grain")
    monochromatic: bool = setting(False, "the same grain in all three channels")
    linear: bool = setting(False, "blur and reduce in linear light, not in encoded values")
    depth: bool = setting(False, "the radius varies with a depth map", flag=False)
    focus: float | None = setting(None, "with --depth: the depth that stays sharp, 0 (near) to 255")

    def __post_init__(self) -> None:
        low, high = self._radius_range()
        single = not isinstance(self.radius_px, (tuple, list))
        if not single:
            got = f"{_number(low)}-{_number(high)}"
            require(low < high, "radius_px", "a range from low to high", got)
        for radius in (low, high):
            expected = "a number between 0 and 512 (pixels)"
            require(0 <= radius <= 512, "radius_px", expected, _shown(radius))
        require(self.blades in SHAPES, "blades", "0 (disc) or 3 to 8", self.blades)
        kinds = ("gaussian", "uniform")
        require(self.noise_kind in kinds, "noise_kind", " or ".join(kinds), self.noise_kind)
        for field, highest in HIGHEST.items():
            value = getattr(self, field)
            if value is None and field == "focus":
                continue
            expected = f"a number between 0 and {highest}"
            require(0 <= value <= highest, field, expected, _shown(value))
            object.__setattr__(self, field, float(value) + 0.0)
        expected = "given with --depth, the folder of depth maps"
        require(self.focus is None or self.depth, "focus", expected, self.focus)
        if self.depth and self.focus is None:
            object.__setattr__(self, "focus", 0.0)
        object.__setattr__(self, "radius_px", low if single else (low, high))

    @property
    def name(self) -> str:
        """Folder name of the set; different settings have different names."""
        low, high = self._radius_range()
        radius = _number(low) if low == high else f"{_number(low)}-{_number(high)}"
        parts = [SHAPES[self.blades], f"r{radius}"]
        numbers = ("curvature", "rotation", "brightness", "threshold", "noise")
        changed = [f for f in numbers if getattr(self, f) != getattr(LensBlur, f)]
        parts += [field + _number(getattr(self, field)) for field in changed]
        if self.noise_kind != LensBlur.noise_kind:
            parts.append(self.noise_kind)
        parts += [flag for flag in ("monochromatic", "linear", "depth") if getattr(self, flag)]
        if self.focus is not None:
            parts.append(f"focus{_number(self.focus)}")
        return "-".join(parts)

    @classmethod
    def from_name(cls, name: str) -> "LensBlur | None":
        """The settings whose set has this name, or None if none has."""
        match = _NAME.fullmatch(name)
        blades = {shape: number for number, shape in SHAPES.items()}
        if match is None or match[1] not in blades:
            return None
        values: dict = {"blades": blades[match[1]]}
        try:
            low = float(match[2])
            values["radius_px"] = (low, float(match[3])) if match[3] else low
            for word, number in re.findall(r"-([a-z]+)([\d.]*)", match[4]):
                if number:
                    values[word] = float(number)
                elif word in ("gaussian", "uniform"):
                    values["noise_kind"] = word
                else:
                    values[word] = True
            blur = cls(**values)
        except (ValueError, TypeError):
            return None
        return blur if blur.name == name else None

    @property
    def make_words(self) -> list[str]:
        """The words behind `make blur` that make this very set, as in RADIUS=33.5 BLADES=6."""
        low, high = self._radius_range()
        words = [f"RADIUS={_number(low)}" + (f"-{_number(high)}" if high > low else "")]
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name == "radius_px" or value == field.default:
                continue
            shown = "maps" if field.name == "depth" else _shown(value)
            words.append(f"{field.name.upper()}={shown}")
        return words

    def radius_of(self, image_id: str) -> float:
        """Radius for one image, in pixels of a 1024-pixel-wide original.

        For a range it is drawn evenly from the id alone and rounded to 0.01 pixels.
        """
        low, high = self._radius_range()
        if low == high:
            return low
        return round(low + (high - low) * (hash_of(f"radius {image_id}") / 2**64), 2)

    @property
    def aperture(self) -> Aperture:
        """Shape of the PSF."""
        return Aperture(self.blades, self.curvature, self.rotation)

    def _radius_range(self) -> tuple[float, float]:
        """Lowest and highest radius, as floats without a negative zero."""
        given = self.radius_px
        low, high = given if isinstance(given, (tuple, list)) else (given, given)
        return float(low) + 0.0, float(high) + 0.0


def _number(value: float) -> str:
    """Shortest decimal that reads back as the same number, without exponent: 30, 33.5."""
    text = format(Decimal(repr(float(value))), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _shown(value: object) -> object:
    """A setting's value as it is typed."""
    if isinstance(value, bool):
        return int(value)
    return _number(value) if isinstance(value, float) and math.isfinite(value) else value
