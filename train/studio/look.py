"""A photograph that is looked at: its blur is estimated once, and any place is restored by that."""

import io
import threading
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image

from train.restore.content import scene_box
from train.restore.engine import CELL_PX, Engine
from train.restore.radius_map import colors_of, described
from train.restore.restore import BlurMap, Limits, Scale, estimate_blur, framed, restored_part
from train.studio import RefusedError
from train.studio.photographs import data_url, jpeg_of

MAP_PX = 800  # longest side of a map that lies over the photograph
# What a photograph of two depths has: medians apart, in so much of it each.
DEPTHS_APART_TIMES, DEPTHS_APART_PX, LEAST_DEPTH = 1.25, 1.5, 0.05
NUM_THRESHOLDS = 32  # between both, that are tried


class EstimatesOnce(Engine):
    """A generator that keeps what it estimated, so that another told radius takes no time."""

    def __init__(self, engine: Engine, tell: Callable[[int], None]) -> None:
        """Takes on a loaded generator; `tell` gets the number of values before each estimate."""
        vars(self).update(vars(engine))
        self.tell = tell
        self.kept: dict[tuple, tuple[np.ndarray, float]] = {}

    def estimate(self, blurred_signed: np.ndarray) -> tuple[np.ndarray, float]:
        """As `Engine.estimate`."""
        key = (*blurred_signed.shape, zlib.crc32(np.ascontiguousarray(blurred_signed).data))
        self.tell(blurred_signed.size)
        if key not in self.kept:
            probs, noise = super().estimate(blurred_signed)
            self.kept[key] = probs.astype(np.float16), noise
        return self.kept[key]


class Look:
    """A photograph and a network: what is seen in the first, and made of it by the second.

    Attributes:
        is_wanted: false once something else is looked at; an estimate then stops.
    """

    def __init__(self, engine: Engine, photo: np.ndarray, one_at_a_time: threading.Lock) -> None:
        self.photo, self.box, self.lock = photo, scene_box(photo), one_at_a_time
        self.restored = photo.copy()  # as far as it is
        self.engine = EstimatesOnce(engine, self.count)
        self.is_wanted, self.num_values, self.failure = True, 0, ""
        self.limits: Limits | None = None
        self.begin()

    def begin(self, limits: Limits | None = None) -> None:
        """Begins to estimate the blur of the whole, with such limits of the radius."""
        self.limits, self.num_values = limits, 0
        self.seen: tuple[list[Scale], BlurMap | None] | None = None
        self.thread = threading.Thread(target=self.estimate, daemon=True)
        self.thread.start()

    def count(self, num_values: int) -> None:
        """Says how far the estimate is, and ends one that nobody waits for."""
        self.num_values += num_values
        if not self.is_wanted:
            raise RefusedError(409, "something else is looked at now")

    def estimate(self) -> None:
        """Estimates the blur."""
        scene = self.photo[self.box]
        cells = [-(-side // CELL_PX) for side in scene.shape[:2]]
        try:
            if self.engine.radii_px.size:
                with self.lock:
                    self.seen = estimate_blur(self.engine, scene, self.limits)
            else:
                self.seen = [Scale(scene, np.ones(cells, np.float32))], None
        except (RefusedError, MemoryError) as error:
            self.failure = str(error) or "this takes more memory than there is"

    def wait(self, limits: Limits | None, seconds: float) -> bool:
        """Whether the blur is known, with such limits of the radius; waits a little for it."""
        if limits and not self.engine.radii_px.size:
            raise RefusedError(409, "this run's network estimates no blur to be limited")
        self.thread.join(seconds)
        if not self.thread.is_alive() and self.limits != limits:
            self.begin(limits)
            self.thread.join(seconds)
        if self.failure:
            raise RefusedError(409, self.failure)
        return self.seen is not None and self.limits == limits

    @property
    def percent(self) -> int:
        """How much of the estimate is made; of all scales together, and what strips share."""
        return min(99, 100 * self.num_values // (2 * self.photo[self.box].size))

    @property
    def as_json(self) -> dict[str, Any]:
        """What the page shows of it: a line, a map, and what to restore where there are depths."""
        if not self.seen or not self.seen[1]:
            return {"seen": "this network estimates no radius"}
        blur = framed(self.seen[1], self.box, self.photo.shape)
        highest = max(4, 4 * int(np.ceil(blur.radius_px.max() / 4)))
        colors = Image.fromarray(np.rint(colors_of(blur.radius_px / highest)).astype(np.uint8))
        subject = subject_of(blur.radius_px)
        told = {"seen": described(blur), "map": png_url(colors), "highest": highest}
        return told | {"subject": subject and png_url(subject)}

    def place(self, top: int, left: int, side: int) -> dict[str, Any]:
        """A square place before and after, as far as it lies in the photograph."""
        assert self.seen
        rows, columns = slice(top, top + side), slice(left, left + side)
        before = self.photo[rows, columns]
        if not before.size:
            raise RefusedError(400, "the photograph has no such place")
        inner = [  # what of it lies in the scene, in pixels of that
            slice(max(0, each.start - scene.start), min(each.stop, scene.stop) - scene.start)
            for each, scene in zip((rows, columns), self.box, strict=True)
        ]
        if all(each.start < each.stop for each in inner):
            with self.lock:
                self.restored[self.box][tuple(inner)] = restored_part(
                    self.engine, self.seen[0], *inner
                )
        after = self.restored[rows, columns]
        return {"before": data_url(jpeg_of(before)), "after": data_url(jpeg_of(after))}


def subject_of(radius_px: np.ndarray) -> Image.Image | None:
    """White where all but the background is, the wider blur; None if there are no two depths.

    Reference: Otsu, IEEE Trans. SMC 9(1), 1979: the threshold between two classes.
    """

    def spread_within(threshold: float) -> float:
        far = sample > threshold
        return far.mean() * sample[far].var() + (~far).mean() * sample[~far].var()

    sample = radius_px[::4, ::4]
    thresholds = np.linspace(sample.min(), sample.max(), NUM_THRESHOLDS + 1, endpoint=False)[1:]
    if thresholds[-1] - thresholds[0] < DEPTHS_APART_PX:
        return None
    far = radius_px > min(thresholds, key=spread_within)
    near_px, far_px = np.median(radius_px[~far]), np.median(radius_px[far])
    is_apart = far_px > DEPTHS_APART_TIMES * near_px + DEPTHS_APART_PX
    if not is_apart or not LEAST_DEPTH < far.mean() < 1 - LEAST_DEPTH:
        return None
    return Image.fromarray(np.where(far, 0, 255).astype(np.uint8))


def png_url(image: Image.Image) -> str:
    """A picture of cells as a URL, reduced to what a page needs."""
    image.thumbnail((MAP_PX, MAP_PX))
    file = io.BytesIO()
    image.save(file, "PNG")
    return data_url(file.getvalue(), "image/png")
