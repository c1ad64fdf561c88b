"""What the page shows of a blur and of a restoring, and the commands that do the whole of it."""

import shutil
import threading
from io import BufferedIOBase
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
from PIL import Image

from prepare.photographs.photograph import Photograph, UnusablePhotograph
from prepare.photographs.writer import write_photograph
from prepare.records.blur import LensBlur, OutputSettings
from prepare.records.data_folder import DataFolder
from prepare.records.files import sha256_of
from prepare.records.psf import aperture_psf
from prepare.records.ranges import Spread
from prepare.records.sets import RECIPES, KernelRecord, read_kernel, recipe_set, set_names
from prepare.records.settings import SettingError
from train.restore.engine import written_engine
from train.restore.photographs import NothingRestoredError, Wanted, note_of, plan, result_file
from train.run import Run, own_run, runs_for_menu
from train.studio import Places, RefusedError
from train.studio.jobs import Command, Outcome
from train.studio.look import Look, one_at_a_time, png_url
from train.studio.photographs import Kept, Photographs, cannot_be_read, data_url, read_pixels

OTHERS = ("depth", "focus", "recipe", "draw")  # of a blur, that are no settings of the page
LARGE_PX = 512  # side of a preview that is not of the size that is written
MOST_MASK_BYTES = 1 << 24
APERTURE_PX = 60  # radius of the aperture that is drawn
PATIENCE_S, ENDING_S = 0.4, 10.0  # until the page is told how far an estimate is; for one to end

Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Radius = Annotated[float, msgspec.Meta(ge=0, le=96)]  # that restoring takes back


class BlurRequest(msgspec.Struct, forbid_unknown_fields=True):
    """A blur with the settings of the page, of a photograph if there is one."""

    settings: dict[str, float | bool | str]
    photo: str = ""
    large: bool = True  # shown larger than the set will hold it


class TrainRequest(msgspec.Struct, forbid_unknown_fields=True):
    """A run that is trained, or gone on with."""

    run: str
    kernel: str  # the set
    minutes: Annotated[float, msgspec.Meta(gt=0, le=10_000)]


class RestoreRequest(msgspec.Struct, forbid_unknown_fields=True):
    """A photograph restored with a run: a place of it, or all of it."""

    photo: str
    run: str
    strength: Share = 1.0
    detail: Share | None = None
    limits: tuple[Radius, Radius] | None = None  # of the blur, pixels of the photograph
    mask: bool = False  # only where its mask, which was sent before, is white
    top: Annotated[int, msgspec.Meta(ge=0)] = 0  # of a place
    left: Annotated[int, msgspec.Meta(ge=0)] = 0
    side: Annotated[int, msgspec.Meta(ge=1, le=1024)] = 512

    def __post_init__(self) -> None:
        if self.limits and not 0 < self.limits[1] >= self.limits[0]:
            raise ValueError("limits of the radius must be low to high, and not both 0")


def blur_of(settings: dict[str, Any]) -> LensBlur:
    """The blur of the page's settings; raises RefusedError if one makes no sense."""
    if settings.get("recipe") in RECIPES:
        return recipe_set(settings["recipe"], 1)
    if unknown := settings.keys() - (LensBlur().values.keys() - {*OTHERS}):
        raise RefusedError(400, f"{min(unknown)} is no setting of the page")
    try:
        values: dict[str, Any] = {
            name: Spread.of_text(value).value if isinstance(value, str) else value
            for name, value in settings.items()
        }
        blur = LensBlur(**values)
        blur.check_name()
    except SettingError as error:  # in words of the page
        reason = str(error).replace("_px", "").replace("_", " ")
        raise RefusedError(422, reason) from error
    except ValueError as error:
        raise RefusedError(422, "expected a number, a range as in 10-40, or a choice") from error
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


def train_job(places: Places, request: TrainRequest) -> tuple[Command, Outcome]:
    """The command that trains a run on sets for some minutes, or goes on with it."""
    run = own_run(places.runs[0], request.run)
    folders = {"RUNS": str(places.runs[0]), "DATA": str(places.data.path)}
    asked = {"RUN": request.run, "KERNEL": request.kernel, "MAX_MINUTES": f"{request.minutes:g}"}
    return Command("train", asked | folders), lambda: {"folder": str(run.path)}


def preview_blur(places: Places, request: BlurRequest, photo: Kept | None) -> dict[str, Any]:
    """The aperture of a blur, its set's name and command, and a picture of a photograph if any."""
    blur = blur_of(request.settings)
    psf = aperture_psf(APERTURE_PX, blur.sample(photo.path.stem if photo else "").aperture)
    cover = np.rint(255 * psf / psf.max()).astype(np.uint8)
    aperture = Image.fromarray(np.stack([np.full_like(cover, 255), cover], -1))
    shown = {"name": blur.name, "command": blur_job(places, request.settings)[0].typed}
    shown["aperture"] = png_url(aperture)
    if photo:
        size = LARGE_PX if request.large else output_of(places.data).size
        try:
            sample = blur.sample(photo.path.stem)
            picture = places.preview(photo.path, sample, size, photo.path.stem)
        except (OSError, UnusablePhotograph) as error:
            raise cannot_be_read(photo.path.name, error) from error
        shown["picture"] = data_url(picture)
    return shown


class Restorer:
    """The runs that restore, and what was restored."""

    def __init__(self, places: Places, photographs: Photographs) -> None:
        self.places, self.photographs = places, photographs
        self.lock = threading.Lock()
        self.last: Look | None = None
        self.wanted: tuple = ()  # what that shows
        self.results: dict[str, Path] = {}  # by the key of their photograph

    @property
    def runs(self) -> dict[str, Run]:
        """The runs that restore, by name; the first is used unless another is chosen."""
        return runs_for_menu(*self.places.runs)

    def find_run(self, name: str) -> Run:
        """The run of a name; raises RefusedError if there is none that restores."""
        if run := self.runs.get(name):
            return run
        raise RefusedError(404, f"no run is called {name}; train one: `make train`")

    def end(self) -> None:
        """Ends what is computed: where the interpreter ends before, the process aborts."""
        if self.last:
            self.last.is_wanted = False
        one_at_a_time.acquire(timeout=ENDING_S)

    def find_look(self, request: RestoreRequest, photo: Kept) -> Look | None:
        """A photograph as a run sees it; None if the run never restored: it has no ONNX file yet.

        Raises RefusedError if there is no such run.
        """
        run = self.find_run(request.run)
        wanted = photo.key, run.path, request.detail, run.weights_hash
        with self.lock:
            look = self.last
            if look is None or look.failure or self.wanted != wanted:
                if look:
                    look.is_wanted = False
                is_loaded = look and self.wanted[1:] == wanted[1:]
                engine = look if is_loaded else written_engine(run, request.detail)
                self.last = Look(engine, self.photographs.pixels(photo.path)) if engine else None
                self.wanted = wanted
            return self.last

    def look(self, request: RestoreRequest, photo: Kept) -> dict[str, Any]:
        """What a run sees in a photograph, or how far it is with that, or that it is not ready."""
        look = self.find_look(request, photo)
        if not look:
            return {"is_new": True}
        is_known = look.wait(request.limits, PATIENCE_S)
        return look.as_json if is_known else {"percent": look.percent}

    def place(self, request: RestoreRequest, photo: Kept) -> dict[str, Any]:
        """A place of a photograph before and after."""
        look = self.find_look(request, photo)
        if not look or not look.wait(request.limits, PATIENCE_S):
            raise RefusedError(409, "the blur is not estimated yet")
        return look.place(request.top, request.left, request.side)

    def command(self, request: RestoreRequest, photo: Kept) -> dict[str, Any]:
        """The command that restores a photograph, as it is typed."""
        return {"command": self.command_of(request, photo.path).typed}

    def command_of(self, request: RestoreRequest, source: Path) -> Command:
        """The command that restores a photograph; raises RefusedError if there is no such run."""
        variables = {
            "OUT": str(self.places.out_dir),
            "RUN": self.find_run(request.run).name,
            "RUNS": str(self.places.runs[0]),
            "STRENGTH": f"{request.strength:g}",
        }
        if request.detail is not None:
            variables["DETAIL"] = f"{request.detail:g}"
        if request.limits:
            variables["BLUR"] = "-".join(dict.fromkeys(f"{each:g}" for each in request.limits))
        if request.mask:
            variables["MASK"] = str(self.mask_of(self.photographs.find(request.photo)))
        return Command("deblur", variables, source)

    def mask_of(self, photo: Kept) -> Path:
        """Where the mask of a photograph is: beside its result, as the command names it."""
        return self.places.out_dir.absolute() / f"{photo.path.stem}-mask-{photo.key[:6]}.png"

    def write_mask(self, photo: Kept, content: BufferedIOBase, num_bytes: int) -> None:
        """Writes the mask of a photograph, as large as that is, from one of any size.

        Raises RefusedError if that is too large, or cannot be read.
        """
        if num_bytes > MOST_MASK_BYTES:
            raise RefusedError(413, f"a mask has more than {MOST_MASK_BYTES:,} bytes")
        drawn = photo.path.parent / "mask"
        drawn.write_bytes(content.read(num_bytes))
        size = photo.width, photo.height
        mask = Image.fromarray(read_pixels(drawn)).resize(size, Image.Resampling.BILINEAR)
        pixels, note = np.asarray(mask), note_of(photo.path)
        with result_file(self.mask_of(photo), note) as file:
            write_photograph(file, Photograph(pixels, gray=True), pixels, note)

    def start(self, request: RestoreRequest, photo: Kept) -> tuple[Command, Outcome]:
        """The command that restores a photograph, and what the page is told at its end.

        Raises RefusedError if there is no such run, or no mask.
        """
        wanted = Wanted(request.strength, request.detail)
        try:
            (target,) = plan([photo.path], self.places.out_dir, wanted=wanted)
        except NothingRestoredError:  # never over the result of another of the same name
            source = photo.path.with_stem(f"{photo.path.stem}-{sha256_of(photo.path)[:6]}")
            shutil.copyfile(photo.path, source)
            (target,) = plan([source], self.places.out_dir, wanted=wanted)
        command = self.command_of(request, target.source)
        if request.mask and not self.mask_of(photo).is_file():
            raise RefusedError(404, "this photograph has no mask yet; draw one")
        made = {"photo": photo.key, "file": str(target.result)}

        def outcome() -> dict[str, Any]:
            self.results[photo.key] = target.result
            return made

        return command, outcome

    def prepare(self, request: RestoreRequest, _photo: Kept) -> tuple[Command, Outcome]:
        """The command that readies a run that was never used: it restores a small picture."""
        folder = self.photographs.uploads_dir
        Image.new("RGB", (64, 64)).save(source := folder / "small.png")
        variables = self.command_of(request, source).variables | {"OUT": str(folder / "made")}
        return Command("deblur", variables, source), dict
