"""Settings of a blurred set. Apart from the blur itself, so that `--help` loads little."""

import hashlib
import math
from dataclasses import dataclass

import numpy as np

from prepare.aperture import Aperture

WIDTH_OF_RADIUS = 1024  # radius_px counts pixels of an original this wide
BLADE_NAMES = {0: "disc", 3: "triangle", 4: "square", 5: "pentagon", 6: "hexagon"}
BLADE_NAMES |= {7: "heptagon", 8: "octagon"}


@dataclass(frozen=True)
class PairSettings:
    """How the small pictures are written."""

    size: int = 256  # side of the written images, pixels
    quality: int = 95  # JPEG quality, 1-100, always with full chroma resolution

    def __post_init__(self) -> None:
        if self.size < 16:
            raise ValueError(f"--size must be at least 16 pixels, got {self.size}")
        if not 1 <= self.quality <= 100:
            raise ValueError(f"--quality must be between 1 and 100, got {self.quality}")


@dataclass(frozen=True)
class LensBlur:
    """Settings of one blurred set."""

    # Radius of the circle of confusion, in pixels of a 1024-pixel-wide original, 0 to 512; of a
    # polygon, to its corners. A pair (low, high) draws one for every image from its id.
    radius_px: float | tuple[float, float] = 30.0
    blades: int = 0  # sides of the iris: 0 (disc) or 3 to 8
    curvature: float = 0.0  # of the sides, percent: 0 straight, 100 the circle's arc
    rotation: float = 0.0  # of the iris, degrees counterclockwise; at 0 a corner points up
    brightness: float = 0.0  # of highlights, 0 to 100: their light is multiplied by 1 + this / 10
    threshold: float = 255.0  # luma from which a pixel is a highlight, levels; 255: none is
    noise: float = 0.0  # grain added after the blur, percent of 255 levels, 0 to 100
    noise_kind: str = "gaussian"  # or "uniform"
    monochromatic: bool = False  # the same grain in all three channels
    linear: bool = False  # blur and reduce in linear light, not in encoded values
    depth: bool = False  # the radius varies with a depth map
    focus: float | None = None  # with depth: the depth that stays sharp, 0 (near) to 255; None is 0

    def __post_init__(self):
        low, high = self._radius_range()
        if isinstance(self.radius_px, (tuple, list)):
            got = f"{_number(low)}-{_number(high)}"
            _require(low < high, "--radius", got, "a range from low to high")
        for radius in (low, high):
            _require(0 <= radius <= 512, "--radius", radius, "a number between 0 and 512 (pixels)")
        _require(self.blades in BLADE_NAMES, "--blades", self.blades, "0 (disc) or 3 to 8")
        _require(
            self.noise_kind in ("gaussian", "uniform"),
            "--noise-kind",
            self.noise_kind,
            "gaussian or uniform",
        )
        ranges = {"curvature": 100, "rotation": 360, "brightness": 100, "threshold": 255}
        for field, highest in (ranges | {"noise": 100, "focus": 255}).items():
            value = getattr(self, field)
            if value is None and field == "focus":
                continue
            expected = f"a number between 0 and {highest}"
            _require(0 <= value <= highest, f"--{field}", value, expected)
            object.__setattr__(self, field, float(value) + 0.0)
        if self.focus is not None and not self.depth:
            raise ValueError(f"--focus needs --depth, the folder of depth maps, got {self.focus}")
        if self.depth and self.focus is None:
            object.__setattr__(self, "focus", 0.0)
        single = not isinstance(self.radius_px, (tuple, list))
        object.__setattr__(self, "radius_px", low if single else (low, high))

    @property
    def name(self) -> str:
        """Folder name of the set; different settings have different names."""
        low, high = self._radius_range()
        radius = _number(low) if low == high else f"{_number(low)}-{_number(high)}"
        parts = [BLADE_NAMES[self.blades], f"r{radius}"]
        numbers = ("curvature", "rotation", "brightness", "threshold", "noise")
        changed = [f for f in numbers if getattr(self, f) != getattr(LensBlur, f)]
        parts += [field + _number(getattr(self, field)) for field in changed]
        if self.noise_kind != LensBlur.noise_kind:
            parts.append(self.noise_kind)
        parts += [flag for flag in ("monochromatic", "linear", "depth") if getattr(self, flag)]
        if self.depth:
            parts.append(f"focus{_number(self.focus)}")
        return "-".join(parts)

    def radius_of(self, image_id: str) -> float:
        """Radius for one image, in pixels of a 1024-pixel-wide original.

        For a range it is drawn evenly from the id alone and rounded to 0.01 pixels.
        """
        low, high = self._radius_range()
        if low == high:
            return low
        digest = hashlib.sha256(f"radius {image_id}".encode()).digest()
        share = int.from_bytes(digest[:8], "big") / 2**64
        return round(low + (high - low) * share, 2)

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
    return np.format_float_positional(value, trim="-")


def _require(holds: bool, flag: str, got: object, expected: str) -> None:
    """Raises ValueError in the words of the command line unless the condition holds."""
    if isinstance(got, float) and math.isfinite(got):
        got = _number(got)
    if not holds:
        raise ValueError(f"{flag} must be {expected}, got {got}")
