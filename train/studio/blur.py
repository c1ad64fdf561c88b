"""Settings of a blur as the page sends them: its preview, its aperture, the command of its set."""

import io
import math
from collections.abc import Mapping
from dataclasses import fields
from http import HTTPStatus
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from prepare.photographs.photograph import UnusablePhotograph
from prepare.records.blur import LIMITS, NOISE_KINDS, SHAPES, LensBlur, OutputSettings
from prepare.records.data_folder import DataFolder
from prepare.records.psf import aperture_psf
from prepare.records.sets import KernelRecord, read_kernel, set_names
from prepare.records.settings import SettingError
from train.studio import Refused
from train.studio.jobs import Command
from train.studio.photographs import Kept, cannot_be_read, data_url
from train.studio.places import Places, variable

NUMBERS = {  # on sliders: their end and step, and a unit; a number that is typed has LIMITS
    "radius_px": (100, 0.5, "px"),
    "curvature": (100, 1, "%"),
    "rotation": (360, 1, "\N{DEGREE SIGN}"),
    "brightness": (100, 1, ""),
    "threshold": (255, 1, ""),
    "noise": (30, 0.5, "%"),
}
CHOSEN = ("blades", "noise_kind", "monochromatic", "linear")
LARGE_PX = 512  # side of a preview that is not of the size that is written
APERTURE_PX = 60  # radius of the aperture that is drawn


def controls() -> dict[str, Any]:
    """What the template needs to know of the settings: limits, defaults, words."""
    known = {field.name: field for field in fields(LensBlur)}
    numbers = {
        name: {
            "name": name,
            "title": name.removesuffix("_px"),
            "help": known[name].metadata["help"],
            "default": f"{known[name].default:g}",
            "low": LIMITS[name][0],
            "high": LIMITS[name][1],
            "end": end,
            "step": step,
            "unit": unit,
        }
        for name, (end, step, unit) in NUMBERS.items()
    }
    words = {name: known[name].metadata["help"] for name in CHOSEN}
    shapes = {number: f"{number}, {shape}" if number else shape for number, shape in SHAPES.items()}
    return {"numbers": numbers, "help": words, "shapes": shapes, "noise_kinds": NOISE_KINDS}


def blur_from(values: object) -> LensBlur:
    """The blur of the page's settings.

    Raises:
        Refused: if they are none, or one makes no sense.
    """
    if not isinstance(values, Mapping):
        raise Refused(HTTPStatus.BAD_REQUEST, "no settings")
    for name, value in values.items():
        is_plain = isinstance(value, (int, float, str)) and name in (*NUMBERS, *CHOSEN)
        if not is_plain or (isinstance(value, str) and name != "noise_kind"):
            raise Refused(HTTPStatus.BAD_REQUEST, f"{name} is no setting of the page, or no number")
        if isinstance(value, float) and not math.isfinite(value):
            raise Refused(HTTPStatus.UNPROCESSABLE_ENTITY, in_words(f"{name} must be a number"))
    try:
        return LensBlur(**values)
    except SettingError as error:
        raise Refused(HTTPStatus.UNPROCESSABLE_ENTITY, in_words(str(error))) from error


def in_words(told: str) -> str:
    """What is wrong with a setting, by the name that the page gives it."""
    return told.replace("_px", "").replace("_", " ")


def preview(places: Places, values: object, photo: Kept | None, large: bool) -> dict[str, Any]:
    """What the page shows of settings: the aperture, the set's name and command, and a picture.

    Args:
        places: where everything lies.
        values: see `blur_from`.
        photo: what is blurred; without one there is no picture.
        large: a larger picture than the set will hold.

    Raises:
        Refused: if a setting makes no sense, or the photograph cannot be used.
    """
    blur, output = blur_from(values), written_as(places.data)
    told = {"name": blur.name, "command": command(places.data, KernelRecord(blur, output))}
    told["aperture"] = data_url(_drawn_aperture(blur), "image/png")
    if photo:
        size = LARGE_PX if large else output.size
        try:
            picture = places.preview(photo.path, blur, size, photo.path.stem)
        except (OSError, UnusablePhotograph) as error:
            raise cannot_be_read(photo.path.name, error) from error
        told["picture"] = data_url(picture)
    return told


def job(places: Places, values: object) -> Command:
    """The command that makes the set, as typed and as run, and what the page is told at its end.

    Raises:
        Refused: if a setting makes no sense.
    """
    record = KernelRecord(blur_from(values), written_as(places.data))
    flags: list[str] = []
    for word in record.make_command.split()[2:]:
        name, _, value = word.partition("=")
        flags += [f"--{name.lower().replace('_', '-')}", value]
    words = places.command("blur", "--data-dir", places.data.path, *flags)
    result = {"name": record.blur.name, "folder": str(places.data.blurred / record.blur.name)}
    return command(places.data, record), words, lambda: result


def command(data: DataFolder, record: KernelRecord) -> str:
    """The command that makes the set, as a person types it."""
    return " ".join([record.make_command, *variable("DATA", data.path, "data")])


def written_as(data: DataFolder) -> OutputSettings:
    """How the sets of a data folder are written; as the first one, since all are alike."""
    for name in set_names(data.blurred):
        if record := read_kernel(data.blurred / name):
            return record.output
    return OutputSettings()


def _drawn_aperture(blur: LensBlur) -> bytes:
    """A PNG of the aperture: gray with alpha, the share of each pixel that it covers."""
    psf = aperture_psf(APERTURE_PX, blur.aperture)
    cover = np.rint(255 * psf / psf.max()).astype(np.uint8)
    image = Image.merge("LA", [Image.new("L", cover.shape[::-1], 255), Image.fromarray(cover)])
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def num_originals(manifest: Path) -> int:
    """Images of the data folder, by the lines of its manifest."""
    try:
        with manifest.open("rb") as file:
            return sum(1 for line in file if line.strip())
    except OSError:
        return 0
