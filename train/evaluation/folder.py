"""Where an evaluation grows, and how it takes its place: whole, or not at all.

It is made in a hidden folder beside the evaluations, with a record of what it is of and the scores
of every image as they come, so that one that was killed goes on. Once it is whole, it is renamed.
"""

import contextlib
import hashlib
import json
import shutil
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from prepare.records.files import named_errors, write_json, write_text
from train import TrainError

UNFINISHED, REPLACED = ".unfinished", ".replaced"  # folders beside the evaluations
RECORD, SCORES = ".of.json", ".scores.jsonl"  # files of an evaluation until it is whole
PICTURES, SHEETS, CURVE = "restored", "sheets", "curve.json"
SUFFIXES = {PICTURES: ".png", SHEETS: ".jpg"}  # of what is ours in these folders
PRODUCTS = ("metrics.json", "per_image.csv", "report.html", *SUFFIXES)


class EvaluationPlaceError(TrainError):
    """Something that is no evaluation, or none of the same kind, stands where one is to go."""


def begin(place: Path) -> Path:
    """The hidden folder in which the evaluation of `place` grows, or goes on growing.

    Mends what a killed evaluation left; for who holds the lock of the evaluations.

    Raises:
        EvaluationPlaceError: if `place` is a file.
    """
    if place.exists() and not place.is_dir():
        raise EvaluationPlaceError(f"{place} is a file; move it away, an evaluation goes there")
    old = place.parent / REPLACED / place.name
    if old.is_dir() and not place.exists():
        old.rename(place)
    elif old.is_dir():
        _discard(old, place)
    folder = place.parent / UNFINISHED / place.name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def evaluated_in(evaluations_dir: Path) -> list[str]:
    """Names of the sets and folders of real pairs that a run was evaluated on, in order."""
    found = (path.parent.name for path in evaluations_dir.glob("*/metrics.json"))
    return sorted(name for name in found if not name.startswith("."))


def publish(folders: Sequence[Path], evaluations_dir: Path, with_curve: bool = True) -> None:
    """Renames whole evaluations, and the curve over them, to their places."""
    curve_path = folders[0].parent / CURVE
    for folder in folders:
        take_place(folder, evaluations_dir / folder.name)
    if with_curve:
        curve_path.replace(evaluations_dir / CURVE)
    for hidden in (UNFINISHED, REPLACED):
        with contextlib.suppress(OSError):  # it holds another evaluation, or is not there
            (evaluations_dir / hidden).rmdir()


def take_place(folder: Path, place: Path) -> None:
    """Renames a whole evaluation to its place; what others put into the one before it is kept.

    Killed between two renames, `begin` brings the one before it back.
    """
    old = place.parent / REPLACED / place.name
    if place.exists():
        old.parent.mkdir(exist_ok=True)
        place.rename(old)
    folder.rename(place)
    for name in (RECORD, SCORES):
        (place / name).unlink(missing_ok=True)
    if old.exists():
        _discard(old, place)


def _discard(old: Path, place: Path) -> None:
    """Removes a replaced evaluation, but for what is not ours, which moves to its successor."""
    if old.is_symlink():
        old.unlink()  # where it leads is the user's
        return
    for path in [*old.iterdir(), *(each for name in SUFFIXES for each in (old / name).glob("*"))]:
        within = SUFFIXES.get(path.parent.name) if path.parent != old else None
        ours = path.suffix == within if within else path.name in PRODUCTS
        if not ours and path.name not in (RECORD, SCORES):
            path.rename(place / path.relative_to(old))
    shutil.rmtree(old)


class ScoreLog:
    """The scores of an evaluation's images, on disk as they come."""

    def __init__(
        self, folder: Path, subject: dict[str, Any], columns: set[str], begun_s: float
    ) -> None:
        """Takes up what a folder holds of the same subject; removes what it holds of another.

        Args:
            folder: the evaluation's; made when missing.
            subject: what the scores are of, as JSON: step, weights, set, images.
            columns: names of the scores that every image has; some may have more.
            begun_s: when the evaluation began, by `time.monotonic`.
        """
        self.folder, self.columns = folder, columns
        self.begun_s, self.lock = begun_s, threading.Lock()
        subject = json.loads(json.dumps(subject))
        if _read(folder / RECORD) != [subject]:
            _remove_products(folder)
            write_json(folder / RECORD, {"of": subject})
        lines = [line for line in _read_lines(folder / SCORES) if self._is_whole(line)]
        self.known = {line["id"]: line for line in lines}
        self.earlier_s = max((line["spent_s"] for line in lines), default=0.0)
        write_text(folder / SCORES, "".join(json.dumps(line) + "\n" for line in lines))

    def _is_whole(self, line: Any) -> bool:
        """Whether a line holds scores, and the picture they are of is there."""
        kinds = {"id": str, "pair": str, "spent_s": float, "scores": dict}
        return (
            isinstance(line, dict)
            and all(isinstance(line.get(name), kind) for name, kind in kinds.items())
            and line["scores"].keys() >= self.columns
            and all(isinstance(score, float) for score in line["scores"].values())
            and (self.folder / PICTURES / f"{line['id']}.png").is_file()
        )

    def spent_s(self) -> float:
        """Seconds that the evaluation has taken, those before it was stopped included."""
        return self.earlier_s + time.monotonic() - self.begun_s

    def find(self, image_id: str, pair: str) -> dict[str, float] | None:
        """Scores of an image, if it has any and its pair is the one they were taken of."""
        line = self.known.get(image_id)
        return line["scores"] if line and line["pair"] == pair else None

    def add(self, image_id: str, pair: str, scores: dict[str, float]) -> None:
        """Writes the scores of an image; from any thread.

        Raises:
            OSError: if they cannot be written; names the file.
        """
        line = {"id": image_id, "pair": pair, "spent_s": self.spent_s(), "scores": scores}
        path = self.folder / SCORES
        with self.lock, named_errors(path), path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


def fingerprint(*paths: str | Path) -> str:
    """SHA-256 of the bytes of some files, hexadecimal.

    Raises:
        OSError: if one cannot be read; names it.
    """
    return hashlib.sha256(b"".join(Path(path).read_bytes() for path in paths)).hexdigest()


def _read(path: Path) -> list[Any]:
    """What a record says the evaluation is of, as a list of one; empty if it cannot be told."""
    try:
        return [json.loads(path.read_text(encoding="utf-8"))["of"]]
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return []


def _read_lines(path: Path) -> list[Any]:
    """The lines of a file of JSON lines that can be read; a kill may have torn the last."""
    lines = []
    content = path.read_bytes() if path.is_file() else b""
    for line in content.split(b"\n"):
        try:
            lines.append(json.loads(line))
        except (ValueError, RecursionError):
            continue
    return lines


def _remove_products(folder: Path) -> None:
    for name in (*PRODUCTS, RECORD, SCORES):
        path = folder / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
