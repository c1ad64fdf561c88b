"""The record of a blurred set, `kernel.json`: what its pictures are, and how to make them again."""

import fnmatch
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from prepare import PrepareError
from prepare.records import PROGRAM
from prepare.records.blur import APERTURE, WIDTH_OF_RADIUS, LensBlur, OutputSettings
from prepare.records.data_folder import HINT
from prepare.records.files import write_json
from prepare.records.jsonl import read_json
from prepare.records.ranges import Spread
from prepare.records.settings import explain_damage

if TYPE_CHECKING:
    import numpy as np

FILE_NAME = "kernel.json"
OF_DATASET = "dataset.json"  # beside the sets, names those of the last `make dataset`
# Settings that say what one point of light becomes, and in which light.
OF_PSF = ("radius_px", *APERTURE, "fringe", "layers", "linear", "gamma")


@dataclass(frozen=True)
class KernelRecord:
    """How the pictures of a blurred set were made."""

    blur: LensBlur
    output: OutputSettings

    @property
    def content(self) -> dict[str, Any]:
        """What `kernel.json` holds: what is drawn is a list."""
        blur = {
            name: value.plain if isinstance(value, Spread) else value
            for name, value in self.blur.values.items()
        }
        return {"kernel": self.blur.name} | blur | asdict(self.output) | {"border": "replicate"}

    @property
    def make_words(self) -> list[str]:
        """The words behind `make blur` that make this very set."""
        written = asdict(self.output).items()
        words = [f"{k.upper()}={v}" for k, v in written if v != getattr(OutputSettings, k)]
        return self.blur.make_words + words

    @property
    def make_command(self) -> str:
        """The command that makes this very set."""
        return " ".join([f"{PROGRAM} blur", *self.make_words])

    def write(self, folder: Path) -> None:
        """Writes the record of a set's folder."""
        write_json(folder / FILE_NAME, self.content)

    def why_no_psf(self) -> str | None:
        """Why the set has no single PSF at the written size, or None if it has one."""
        if differing := [name for name in OF_PSF if name in self.blur.spreads]:
            return f"its {differing[0].removesuffix('_px')} differs from image to image"
        blur, scale = self.blur, self.output.size / WIDTH_OF_RADIUS
        reasons = {
            "its blur is smaller than a pixel": float(blur.radius_px) * scale < 0.5,
            "its radius varies with depth": blur.depth or blur.layers != 1,
            "its colors have different radii": blur.fringe != 0,
            "its highlights are brightened": blur.brightness != 0 and blur.threshold != 255,
            "it uses another tone curve than sRGB": blur.linear and blur.gamma != 0,
        }
        return next((reason for reason, holds in reasons.items() if holds), None)

    def psf(self) -> "np.ndarray":
        """PSF of the set as seen in its reduced pictures; ValueError if it has none, `why_no_psf`.

        It is float32, with an odd side: the share of each reduced pixel that the shrunken aperture
        covers, a close approximation, as the grid of the reduced pixels is fixed.
        """
        if reason := self.why_no_psf():
            raise ValueError(f"{self.blur.name} has no single PSF: {reason}")
        from prepare.records.psf import aperture_psf  # NumPy: `--help` is to be instant

        radius_px = float(self.blur.radius_px)
        return aperture_psf(radius_px * self.output.size / WIDTH_OF_RADIUS, self.blur.aperture)


def read_kernel(folder: Path) -> KernelRecord | None:
    """The record of a set's folder; None without one, as for pictures blurred elsewhere.

    DamagedRecordError if it cannot be read, or is not what `KernelRecord` writes.
    """
    path = folder / FILE_NAME
    content = read_json(path, dict, HINT)
    if content is None:
        return None
    with explain_damage(path, HINT):
        output = msgspec.convert(content, OutputSettings)
        record = KernelRecord(msgspec.convert(content, LensBlur), output)
        if record.content != content:
            raise ValueError("not as it was written")
        return record


def set_names(blurred_dir: Path) -> list[str]:
    """Names of the blurred sets in a data folder, in order."""
    return sorted(path.name for path in blurred_dir.glob("*") if path.is_dir())


def choose_sets(blurred_dir: Path, wanted: Iterable[str | LensBlur]) -> list[str]:
    """Names of the sets that are named, match a pattern like `wild-*` or have a blur; none twice.

    Raises:
        PrepareError: if there is none; names the existing sets and how to make more.
    """
    found = set_names(blurred_dir)
    chosen: dict[str, None] = {}
    for each in wanted:
        pattern = str(each)
        fitting = fnmatch.filter(found, pattern)
        fitting = [pattern] if pattern in found else fitting  # a name may look like a pattern
        if not fitting:
            there = f"no blurred set {pattern} in {blurred_dir}"
            names = ", ".join(found) or "none"
            raise PrepareError(f"{there} (found {names}); {how_to_have(each, found)}")
        chosen |= dict.fromkeys(fitting)
    return list(chosen)


def how_to_have(wanted: str | LensBlur, found: Sequence[str]) -> str:
    """The command for a set that does not exist."""
    if isinstance(wanted, LensBlur):
        return f"run `{KernelRecord(wanted, OutputSettings()).make_command}`"
    for recipe in RECIPES:
        if wanted.startswith(recipe) and fnmatch.filter(found, f"{recipe}-*"):
            return f'name all of the recipe with KERNEL="{recipe}-*"'
        if wanted.startswith(recipe):
            return f"run `make blur KERNEL={recipe} DRAWS=12`"
    return "name one of those with KERNEL=.., or make it with `make blur RADIUS=..`"


def usual_sets(blurred_dir: Path) -> list[str]:
    """Names of the sets to train on by default: those of the last `make dataset`.

    If they are unknown, the only set.

    Raises:
        PrepareError: if there is none, or several; names those to choose from.
    """
    found = set_names(blurred_dir)
    hint = "remove it, or name sets with KERNEL=.."
    noted = read_json(blurred_dir / OF_DATASET, dict[str, list[str]], hint) or {}
    if chosen := [name for name in noted.get("sets", []) if name in found]:
        return chosen
    if not found:
        raise PrepareError(f"no blurred set in {blurred_dir}; run `make dataset` first")
    if len(found) > 1:
        raise PrepareError(
            f"{blurred_dir} holds {len(found)} blurred sets, name one or more of them, as in "
            f'KERNEL="{found[0]}": {", ".join(found)}'
        )
    return found


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
    noise=Spread.of_text("0,0-1.2,0-4.7"),
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
    noise=Spread.of_text("0,0,0-4.7"),
    noise_kind=WILD.noise_kind,
    monochromatic=WILD.monochromatic,
    linear=Spread.of_text("0,1"),
    recipe="wild",
)
RECIPES = {"wild": (WILD, WILD_LENS)}


def recipe_set(recipe: str, number: int) -> LensBlur:
    """What the set of that number, from 1 up, of a recipe is made by."""
    kinds = RECIPES[recipe]
    return replace(kinds[(number - 1) % len(kinds)], draw=number)
