"""Restores a crop at once, and whole photographs by `deblur` itself."""

import os
import shlex
import threading
from http import HTTPStatus
from pathlib import Path
from typing import Any

import numpy as np

from train.restore.engine import Engine
from train.restore.onnx_file import NoWeightsError, written_engine
from train.restore.radius_map import described
from train.restore.restore import restore
from train.restore.targets import NothingRestoredError, Target, plan
from train.run import Run, runs_for_menu
from train.studio import Refused
from train.studio.jobs import Command
from train.studio.photographs import Kept, data_url, shown
from train.studio.places import Places, variable

CROP_PX = 256  # side of a crop that is shown at once
CONTEXT_PX = 128  # on each of its sides: restored with it, and cut off
MOST_NAMES = 100  # of results of photographs that are called the same


class Restorer:
    """The runs that restore, and the generator that was used last."""

    def __init__(self, places: Places) -> None:
        self.places, self.lock = places, threading.Lock()
        self.loaded: tuple[Path, float, str, Engine] | None = None
        self.results: dict[str, Target] = {}

    @property
    def runs(self) -> dict[str, tuple[Path, str]]:
        """Folders of the runs by name, each with what is to be said of it."""
        found = runs_for_menu(*self.places.runs)
        return {name: (run.path, self.remark(run)) for name, run in found.items()}

    def remark(self, run: Run) -> str:
        """What is to be said of a run, if anything."""
        if run.path.resolve() == self.places.runs[2].resolve():
            return "the pretrained network"
        sets = run.fixed_radius_sets
        return f"for {sets[0] if len(sets) == 1 else f'{len(sets)} blurs'} alone" if sets else ""

    def folder_of(self, run: object) -> Path:
        """The folder of a run.

        Raises:
            Refused: if it is none that restores.
        """
        found = runs_for_menu(*self.places.runs).get(run) if isinstance(run, str) else None
        if found is None:
            raise Refused(HTTPStatus.NOT_FOUND, f"no run is called {run}; train one: `make train`")
        return found.path

    def preview(
        self, pixels: np.ndarray, run: object, detail: float, place: tuple[float, float]
    ) -> dict:
        """A crop before and after, as the page shows it.

        Args:
            pixels: uint8 or uint16, (H, W, 3), RGB, of the photograph.
            run: name of a run.
            detail: see `train.restore.onnx_file.open_engine`.
            place: of the middle of the crop: from the left and from the top, 0..1.

        Returns:
            "ready" is false where the run's ONNX file is still to be written, which only a
            restoring does; otherwise before, after, what was seen, and the crop's box in shares.

        Raises:
            Refused: if there is no such run, or it has one network where two are asked for.
        """
        run_dir = self.folder_of(run)
        with self.lock:  # one at a time, as each takes all cores
            engine = self._engine(run_dir, detail)
            if engine is None:
                return {"ready": False}
            inner, outer = _boxes(pixels.shape[:2], place)
            region = np.ascontiguousarray(pixels[outer])
            restored, seen = restore(engine, region)
        rows, columns = (
            slice(own.start - around.start, own.stop - around.start)
            for own, around in zip(inner, outer, strict=True)
        )
        before, after = (data_url(shown(each[rows, columns])) for each in (region, restored))
        height, width = pixels.shape[:2]
        (top, bottom), (left, right) = ((each.start, each.stop) for each in inner)
        shares = [top / height, bottom / height, left / width, right / width]
        text = described(seen) if seen else "this network tells no radius"
        return {"ready": True, "before": before, "after": after, "seen": text, "box": shares}

    def _engine(self, run_dir: Path, detail: float) -> Engine | None:
        """The run's generator, loaded once; None if its file is still to be written."""
        wanted = run_dir, detail, Run(run_dir).weights_hash
        if self.loaded is None or self.loaded[:3] != wanted:
            self.loaded = None
            try:
                engine = written_engine(Run(run_dir), detail)
            except NoWeightsError as error:
                raise Refused(HTTPStatus.CONFLICT, str(error)) from error
            self.loaded = (*wanted, engine) if engine else None
        return self.loaded[3] if self.loaded else None

    def job(self, photo: Kept, run: object, strength: float, detail: float) -> Command:
        """The command that restores a photograph, as typed and as run, and what comes of it.

        Raises:
            Refused: if there is no such run.
        """
        run_dir = self.folder_of(run)
        out_dir = self.places.out_dir
        target = self._target(photo)
        shown_words = ["make deblur", f"IN={shlex.quote(target.source.name)}"]
        shown_words += [*variable("OUT", out_dir, "restored"), f"RUN={shlex.quote(run_dir.name)}"]
        shown_words += variable("RUNS", run_dir.parent, "tf_checkpoints")
        shares = {"strength": f"{strength:g}", "detail": f"{detail:g}"}
        for name, share in shares.items():
            shown_words += variable(name.upper(), share, "1")
        shown_words.append("MAP=1")
        where = ("--out", out_dir, "--runs-dir", run_dir.parent, "--run", run_dir.name)
        flags = [word for name, share in shares.items() for word in (f"--{name}", share)]
        words = self.places.command("deblur", *where, *flags, "--map", target.source.absolute())
        self.results[photo.key] = target

        def result() -> dict[str, Any]:
            has_map = bool(target.radius_map and target.radius_map.is_file())
            made = {"file": str(target.result), "map": has_map}
            return {"photo": photo.key, "strength": strength, "detail": detail} | made

        return " ".join(shown_words), words, result

    def result_of(self, key: str) -> Target:
        """What was made of a photograph.

        Raises:
            Refused: if nothing was.
        """
        target = self.results.get(key)
        if target is None or not target.result.is_file():
            raise Refused(HTTPStatus.NOT_FOUND, "this photograph has not been restored yet")
        return target

    def _target(self, photo: Kept) -> Target:
        """Where the result goes; beside those of other photographs of the same name.

        Results are called as their sources, so an upload gets further names, never files over
        another's result.
        """
        problem = ""
        for number in range(1, MOST_NAMES):
            source = photo.path
            if number > 1:
                source = source.with_name(f"{source.stem}-{number}{source.suffix}")
            if not source.exists():
                os.link(photo.path, source)
            try:
                (target,) = plan([source], self.places.out_dir, radius_map=True)
            except NothingRestoredError as error:
                problem = str(error)
                continue
            return target
        raise Refused(HTTPStatus.CONFLICT, problem)


Box = tuple[slice, slice]  # rows and columns


def _boxes(size: tuple[int, ...], place: tuple[float, float]) -> tuple[Box, Box]:
    """Rows and columns of a crop, without and with what lies around it."""
    inner, outer = [], []
    for side, share in zip(size, reversed(place), strict=True):
        length = min(side, CROP_PX)
        start = round(min(max(0.0, share * side - length / 2), side - length))
        inner.append(slice(start, start + length))
        outer.append(slice(max(0, start - CONTEXT_PX), min(side, start + length + CONTEXT_PX)))
    return (inner[0], inner[1]), (outer[0], outer[1])
