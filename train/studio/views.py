"""What the page shows of a blur and of a restoring, and the commands that do the whole of it."""

import io
import shutil
import threading
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
from PIL import Image

from prepare.photographs.photograph import UnusablePhotograph
from prepare.records.blur import LensBlur, OutputSettings
from prepare.records.data_folder import DataFolder
from prepare.records.files import sha256_of
from prepare.records.psf import aperture_psf
from prepare.records.sets import KernelRecord, read_kernel, set_names
from prepare.records.settings import SettingError
from train.restore.engine import Engine, written_engine
from train.restore.photographs import NothingRestoredError, Target, plan
from train.restore.radius_map import described
from train.restore.restore import restore
from train.run import Run, runs_for_menu
from train.studio import Places, RefusedError
from train.studio.jobs import Command, Outcome
from train.studio.photographs import Kept, cannot_be_read, data_url, jpeg_of

SLIDERS = {  # of numbers: end, step and unit; a number that is typed has its limits
    "radius_px": (100, 0.5, "px"),
    "curvature": (100, 1, "%"),
    "rotation": (360, 1, "\N{DEGREE SIGN}"),
    "brightness": (100, 1, ""),
    "threshold": (255, 1, ""),
    "noise": (30, 0.5, "%"),
}
OTHERS = ("blades", "noise_kind", "monochromatic", "linear")
LARGE_PX = 512  # side of a preview that is not of the size that is written
APERTURE_PX = 60  # radius of the aperture that is drawn
CROP_PX = 256  # side of a crop that is restored at once
CONTEXT_PX = 128  # on each of its sides: restored with it, and cut off

Share = Annotated[float, msgspec.Meta(ge=0, le=1)]


class BlurRequest(msgspec.Struct, forbid_unknown_fields=True):
    """A blur with the settings of the page, of a photograph if there is one."""

    settings: dict[str, float | bool | str]
    photo: str = ""
    large: bool = True  # shown larger than the set will hold it


class RestoreRequest(msgspec.Struct, forbid_unknown_fields=True):
    """A photograph restored with a run: a crop around a place of it, or all of it."""

    photo: str
    run: str
    strength: Share = 1.0
    detail: Share = 1.0
    across: Share = 0.5  # of the crop's middle, from the left
    down: Share = 0.5  # from the top


def blur_of(settings: dict[str, Any]) -> LensBlur:
    """The blur of the page's settings; raises RefusedError if one makes no sense."""
    if unknown := settings.keys() - {*SLIDERS, *OTHERS}:
        raise RefusedError(400, f"{min(unknown)} is no setting of the page")
    try:
        blur = LensBlur(**settings)
        blur.check_name()
    except SettingError as error:  # in words of the page
        reason = str(error).replace("_px", "").replace("_", " ")
        raise RefusedError(422, reason) from error
    return blur.simplified


def output_of(data: DataFolder) -> OutputSettings:
    """How the sets of a data folder are written; as the first one, since all are alike."""
    for name in set_names(data.blurred):
        if record := read_kernel(data.blurred / name):
            return record.output
    return OutputSettings()


def blur_job(places: Places, settings: dict[str, Any]) -> tuple[Command, Outcome]:
    """The command that makes a set from the originals at hand, and what it makes."""
    blur = blur_of(settings)
    words = KernelRecord(blur, output_of(places.data)).make_words
    variables = dict(word.split("=", 1) for word in [*words, f"DATA={places.data.path}"])
    made = {"folder": str(places.data.blurred / blur.name)}
    return Command("blur", variables), lambda: made


def preview_blur(places: Places, request: BlurRequest, photo: Kept | None) -> dict[str, Any]:
    """The aperture of a blur, its set's name and command, and a picture of a photograph if any."""
    blur = blur_of(request.settings)
    psf = aperture_psf(APERTURE_PX, blur.aperture)
    cover = np.rint(255 * psf / psf.max()).astype(np.uint8)
    white = Image.new("L", cover.shape[::-1], 255)
    png = io.BytesIO()
    Image.merge("LA", [white, Image.fromarray(cover)]).save(png, "PNG")
    shown = {"name": blur.name, "command": blur_job(places, request.settings)[0].typed}
    shown["aperture"] = data_url(png.getvalue(), "image/png")
    if photo:
        size = LARGE_PX if request.large else output_of(places.data).size
        try:
            picture = places.preview(photo.path, blur, size, photo.path.stem)
        except (OSError, UnusablePhotograph) as error:
            raise cannot_be_read(photo.path.name, error) from error
        shown["picture"] = data_url(picture)
    return shown


class Restorer:
    """The runs that restore, and what was restored."""

    def __init__(self, places: Places) -> None:
        self.places, self.lock = places, threading.Lock()
        self.targets: dict[str, Target] = {}  # by the key of their photograph

    @property
    def runs(self) -> dict[str, Run]:
        """The runs that restore, by name; the first is used unless another is chosen."""
        return runs_for_menu(*self.places.runs)

    def find_run(self, name: str) -> Run:
        """The run of a name; raises RefusedError if there is none that restores."""
        if run := self.runs.get(name):
            return run
        raise RefusedError(404, f"no run is called {name}; train one: `make train`")

    def preview(self, request: RestoreRequest, pixels: np.ndarray) -> dict[str, Any]:
        """A crop before and after, what was seen in it, and its box in shares of the photograph.

        Args:
            request: which crop, and with which run; raises RefusedError if that is not there.
            pixels: uint8 or uint16, (H, W, 3), RGB, of the photograph.
        """
        run = self.find_run(request.run)
        box, outer, within = [], [], []
        for side, share in zip(pixels.shape[:2], (request.down, request.across), strict=True):
            length = min(side, CROP_PX)
            start = round(min(max(0.0, share * side - length / 2), side - length))
            first = max(0, start - CONTEXT_PX)
            box += [start / side, (start + length) / side]
            outer.append(slice(first, start + length + CONTEXT_PX))
            within.append(slice(start - first, start - first + length))
        region = np.ascontiguousarray(pixels[tuple(outer)])
        with self.lock:  # one at a time, as each takes all cores
            engine = loaded_engine(run.path, request.detail, run.weights_hash)
            restored, seen = restore(engine, region)
        before, after = (data_url(jpeg_of(each[tuple(within)])) for each in (region, restored))
        text = described(seen) if seen else "this network tells no radius"
        return {"before": before, "after": after, "seen": text, "box": box}

    def job(self, request: RestoreRequest, photo: Kept) -> tuple[Command, Outcome]:
        """The command that restores a photograph, and what the page is told at its end.

        Raises RefusedError if there is no such run, or the photograph is no upload.
        """
        if not photo.is_upload:
            raise RefusedError(400, "originals are sharp; drop a photograph")
        run, target = self.find_run(request.run), self.target_of(photo)
        self.targets[photo.key] = target
        variables = {
            "OUT": str(self.places.out_dir),
            "RUN": run.name,
            "RUNS": str(self.places.runs[0]),
            "STRENGTH": f"{request.strength:g}",
            "DETAIL": f"{request.detail:g}",
            "MAP": "1",
        }

        def outcome() -> dict[str, Any]:
            has_map = bool(target.radius_map and target.radius_map.is_file())
            made = {"file": str(target.result), "map": has_map}
            return msgspec.structs.asdict(request) | made

        return Command("deblur", variables, target.source), outcome

    def target_of(self, photo: Kept) -> Target:
        """Where the result goes: never over that of another photograph of the same name.

        Results are called as their sources, so the upload is then copied under another name.
        """
        try:
            (target,) = plan([photo.path], self.places.out_dir, radius_map=True)
        except NothingRestoredError:
            source = photo.path.with_stem(f"{photo.path.stem}-{sha256_of(photo.path)[:6]}")
            shutil.copyfile(photo.path, source)
            (target,) = plan([source], self.places.out_dir, radius_map=True)
        return target


@lru_cache(maxsize=1)
def loaded_engine(run_dir: Path, detail: float, _weights_hash: str) -> Engine:
    """A run's generator; raises RefusedError if its ONNX file is not written yet."""
    engine = written_engine(Run(run_dir), detail)
    if engine is None:
        raise RefusedError(409, "restore the whole photograph: that writes what crops need, too")
    return engine
