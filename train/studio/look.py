"""A photograph that is looked at: its blur is estimated once, and any place is restored by that."""

import io
import threading
import zlib
from typing import Any

import numpy as np
from PIL import Image

from train.restore.content import scene_box
from train.restore.engine import CELL_PX, Engine
from train.restore.radius_map import colors_of, described
from train.restore.restore import BlurMap, Limits, Scale, estimate_blur, framed, restored_part
from train.studio import RefusedError
from train.studio.photographs import data_url, jpeg_of

one_at_a_time = threading.Lock()  # as each takes all cores
MAP_PX = 800  # longest side of a map that lies over the photograph
# What a photograph of two depths has: medians apart, in so much of it each.
DEPTHS_APART_TIMES, DEPTHS_APART_PX, LEAST_DEPTH = 1.25, 1.5, 0.05
NUM_THRESHOLDS = 32  # between both, that are tried


class Look(Engine):
    """A generator and the photograph that it looks at, whose blur it estimates once.

    What is estimated of each strip is kept, so that another told radius takes no time. What is
    computed stops once it is no longer wanted, as something else is looked at.
    """

    def __init__(self, engine: Engine, photo: np.ndarray) -> None:
        """Takes on a loaded generator."""
        vars(self).update(vars(engine))
        self.photo, self.box = photo, scene_box(photo)
        self.restored = photo.copy()  # as far as it is
        self.kept: dict[tuple, tuple[np.ndarray, float]] = {}
        self.is_wanted, self.failure = True, ""
        self.begin()

    def begin(self, limits: Limits | None = None) -> None:
        """Begins to estimate the blur of the whole, with such limits of the radius."""
        self.limits, self.num_values = limits, 0
        self.seen: tuple[list[Scale], BlurMap | None] | None = None
        self.thread = threading.Thread(target=self.estimate_whole, daemon=True)
        self.thread.start()

    def estimate(self, blurred_signed: np.ndarray) -> tuple[np.ndarray, float]:
        """As `Engine.estimate`."""
        self.check_wanted()
        self.num_values += blurred_signed.size
        key = (*blurred_signed.shape, zlib.crc32(np.ascontiguousarray(blurred_signed).data))
        if key not in self.kept:
            probs, noise = super().estimate(blurred_signed)
            self.kept[key] = probs.astype(np.float16), noise
        return self.kept[key]

    def correction(self, *given: Any) -> np.ndarray:
        """As `Engine.correction`."""
        self.check_wanted()
        return super().correction(*given)

    def check_wanted(self) -> None:
        """Raises RefusedError, which ends what nobody waits for."""
        if not self.is_wanted:
            raise RefusedError(409, "something else is looked at now")

    def estimate_whole(self) -> None:
        """Estimates the blur; a network that estimates none restores all in one way."""
        scene = self.photo[self.box]
        cells = [-(-side // CELL_PX) for side in scene.shape[:2]]
        try:
            with one_at_a_time:
                self.seen = (
                    estimate_blur(self, scene, self.limits)
                    if self.radii_px.size
                    else ([Scale(scene, np.ones(cells, np.float32))], None)
                )
        except (RefusedError, MemoryError) as error:
            self.failure = str(error) or "this takes more memory than there is"

    def wait(self, limits: Limits | None, seconds: float) -> bool:
        """Whether the blur is known, with such limits of the radius; waits a little for it."""
        if limits and not self.radii_px.size:
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
            with one_at_a_time:
                part = restored_part(self, self.seen[0], *inner)
            self.restored[self.box][tuple(inner)] = part
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
