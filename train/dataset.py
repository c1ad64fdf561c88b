"""Turns matched folders into batches of (blurred, sharp), any of which can be had by its number.

Order and augmentation are functions of (seed, number of the sample) alone, so there is no random
state to save: training that stops at step K goes on with the very batch that would have come.
"""

import contextlib
import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import tensorflow as tf
from PIL import Image

from train import TrainError
from train.settings import TrainSettings

MEND = "remove what is damaged, run `make dataset`, then the same command again"
VALIDATION_SHARE = 16  # one in so many training images is kept for validation


class UnmatchedPairsError(TrainError):
    """The sharp and blurred folders do not hold the same images at the same size."""


@dataclass(frozen=True)
class Pairs:
    """Paths of matched pictures: `blurred[k][i]` is kernel k's copy of `sharp[i]`."""

    ids: tuple[str, ...]
    sharp: tuple[str, ...]
    blurred: tuple[tuple[str, ...], ...]  # one tuple a kernel
    size: int  # side of the pictures, pixels
    mirror: bool = True  # whether the blur is the same in a mirror
    turn: bool = False  # whether it is the same after a quarter turn


def read_split(manifest_path: Path) -> dict[str, list[str]]:
    """Ids on each side of the split: "train", "validation" (a slice of training) and "test".

    Raises:
        UnmatchedPairsError: if there is no manifest, it is damaged, or it has no image to train on
            or to test on.
    """
    if not manifest_path.exists():
        raise UnmatchedPairsError(f"no {manifest_path}; run `make dataset` first")
    split: dict[str, list[str]] = {"train": [], "validation": [], "test": []}
    try:
        # Not splitlines: an id may hold one of the rarer line ends that Unicode knows.
        for line in filter(None, manifest_path.read_text(encoding="utf-8").split("\n")):
            image = json.loads(line)
            split[image["split"]].append(image["id"])
    except (ValueError, KeyError, TypeError) as error:
        raise UnmatchedPairsError(
            f"{manifest_path} is damaged; run `make clean-pairs` and `make dataset`"
        ) from error
    if len(split["train"]) < 2 or not split["test"]:
        counts = f"{len(split['train'])} training and {len(split['test'])} test images"
        raise UnmatchedPairsError(f"{manifest_path} has {counts}; run `make dataset` with more")
    ranked = sorted(split["train"], key=_validation_rank)
    chosen = [each for each in ranked if _validation_rank(each) % VALIDATION_SHARE == 0]
    split["validation"] = chosen or ranked[:1]
    split["train"] = [each for each in split["train"] if each not in set(split["validation"])]
    return split


def _validation_rank(image_id: str) -> int:
    return int.from_bytes(hashlib.sha256(f"validation {image_id}".encode()).digest()[:8], "big")


def find_pairs(ids: Sequence[str], sharp_dir: Path, blurred_dirs: Sequence[Path]) -> Pairs:
    """Joins the pictures of `ids` across folders, by id.

    Raises:
        UnmatchedPairsError: if a picture is missing or of another size; names the first few.
    """
    folders = [sharp_dir, *blurred_dirs]
    paths = [[folder / f"{image_id}.jpg" for image_id in ids] for folder in folders]
    missing = [str(path) for column in paths for path in column if not path.exists()]
    if missing:
        raise UnmatchedPairsError(
            f"{_first_few(missing)} missing; run `make dataset` to make missing pairs, or "
            "`make blur RADIUS=..` for another blurred set"
        )
    sizes = {str(path): _size_of(path) for column in paths for path in column}
    if damaged := [path for path, size in sizes.items() if size is None]:
        raise UnmatchedPairsError(f"{_first_few(damaged)} damaged; {MEND}")
    size = sizes[str(paths[0][0])]
    odd = [path for path, each in sizes.items() if each != size]
    if odd or size[0] != size[1]:
        raise UnmatchedPairsError(
            f"{_first_few(odd or [str(paths[0][0])])} not {size[0]}x{size[0]} as the others; "
            "run `make clean-pairs` and `make dataset`"
        )
    orphans = [
        str(path)
        for folder in blurred_dirs
        for path in sorted(folder.glob("*.jpg"))
        if not (sharp_dir / path.name).exists()
    ]
    if orphans:
        raise UnmatchedPairsError(
            f"no sharp partner: {_first_few(orphans)} alone; run `make dataset` to make missing "
            "pairs, or remove what you put there"
        )
    sharp, *blurred = (tuple(map(str, column)) for column in paths)
    return Pairs(tuple(ids), sharp, tuple(blurred), size[0], *_symmetry(blurred_dirs))


def _symmetry(blurred_dirs: Sequence[Path]) -> tuple[bool, bool]:
    """Whether the blurs of all sets are the same in a mirror, and after a quarter turn."""
    mirror = turn = True
    for path in (folder / "kernel.json" for folder in blurred_dirs):
        try:
            blur = dict(json.loads(path.read_text())) if path.exists() else {}
        except (ValueError, TypeError) as error:
            raise UnmatchedPairsError(f"{path} is damaged; run `make clean-pairs`") from error
        disc = blur.get("blades") == 0 or blur.get("curvature") == 100
        turn &= disc
        mirror &= disc or blur.get("rotation", 0) == 0  # then a corner of the polygon points up
    return mirror, turn


@contextlib.contextmanager
def damaged_pictures_named(pairs: Pairs) -> Iterator[None]:
    """Turns TensorFlow's complaint about a picture into an UnmatchedPairsError that says which."""
    try:
        yield
    except tf.errors.InvalidArgumentError as error:
        paths = [path for column in (pairs.sharp, *pairs.blurred) for path in column]
        damaged = [path for path in paths if _size_of(path, whole=True) is None]
        if not damaged:
            raise
        raise UnmatchedPairsError(f"{_first_few(damaged)} damaged; {MEND}") from error


def _size_of(path: str | Path, whole: bool = False) -> tuple[int, int] | None:
    """Width and height of a picture, or None if its header, or all of it, cannot be read."""
    try:
        with Image.open(path) as image:
            if whole:
                image.load()
            return image.size
    except (OSError, SyntaxError):
        return None


def _first_few(names: Sequence[str]) -> str:
    shown = ", ".join(names[:3])
    return shown + (f" and {len(names) - 3} more are" if len(names) > 3 else " is")


def training_batches(
    pairs: Pairs,
    settings: TrainSettings,
    first_step: int,
    last_step: int,
    share: tf.distribute.InputContext | None = None,
) -> tf.data.Dataset:
    """Augmented batches of the steps first_step + 1 .. last_step, in order.

    Args:
        share: of a machine among several: the consecutive part of each batch that it is to make,
            cut into one smaller batch for each of its devices.

    Returns:
        (blurred, sharp), each float32, shape (batch, side, side, 3), RGB, -1..1, where side is
        that of the crops, or of the pictures.
    """
    num_images, num_kernels = len(pairs.sharp), len(pairs.blurred)
    paths = tf.constant([pairs.sharp, *pairs.blurred])  # (1 + num_kernels, num_images)
    if settings.cache:
        read = tf.stack([tf.stack([_decode(each) for each in column]) for column in paths])
    seed = tf.constant(settings.seed, tf.int64)
    side = min(settings.crop or pairs.size, pairs.size)
    share = share or tf.distribute.InputContext()
    num_here = settings.batch // share.num_input_pipelines  # images of each batch
    num_before = share.input_pipeline_id * num_here  # images of it that other machines make

    def load(number_here: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        step, place = number_here // num_here, number_here % num_here
        number = step * settings.batch + num_before + place
        epoch, position = number // num_images, number % num_images
        index = tf.random.experimental.index_shuffle(
            position, tf.stack([seed, epoch]), num_images - 1
        )
        kernel_seed, augment_seed = tf.unstack(
            tf.random.experimental.stateless_split(tf.stack([seed, number]))
        )
        kernel = tf.random.stateless_uniform([], kernel_seed, 1, num_kernels + 1, tf.int64)
        if settings.cache:
            pair = tf.stack([read[kernel, index], read[0, index]])
        else:
            pair = tf.stack([_decode(paths[kernel, index]), _decode(paths[0, index])])
        turn = pairs.turn and settings.turns
        pair = tf.cast(pair, tf.float32)  # to turn bytes, oneDNN wants AVX-512, and says so
        return augment(pair, augment_seed, settings.jitter_px, side, pairs.mirror, turn)

    samples = tf.data.Dataset.range(first_step * num_here, last_step * num_here)
    samples = samples.map(load, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    batches = samples.batch(
        share.get_per_replica_batch_size(settings.batch), drop_remainder=True
    ).map(lambda b, s: (_signed(b), _signed(s)))
    return batches.prefetch(tf.data.AUTOTUNE)


def augment(
    pair: tf.Tensor, seed: tf.Tensor, jitter_px: int, side: int, mirror: bool, turn: bool
) -> tuple[tf.Tensor, tf.Tensor]:
    """Shifts, crops, mirrors and turns both pictures of a pair alike, never changing their scale.

    Pix2pix resizes to 286 and crops 256; that would widen the blur by 12 %, and the network would
    learn a radius it never meets again.

    Args:
        pair: shape (2, height, width, 3).
        seed: integer, shape (2,), for `tf.random`'s stateless functions.
        jitter_px: largest shift; the pictures are continued by reflection.
        side: of the results, pixels; where it is less than the pictures', any part of them.
        mirror: exchanges left and right half of the time.
        turn: by any multiple of 90 degrees, each as often.
    """
    place_seed, mirror_seed, turn_seed = tf.unstack(tf.random.experimental.stateless_split(seed, 3))
    border = [jitter_px, jitter_px]
    pair = tf.pad(pair, [[0, 0], border, border, [0, 0]], "REFLECT")
    pair = tf.image.stateless_random_crop(pair, [2, side, side, 3], place_seed)
    if mirror:
        mirrored = tf.random.stateless_uniform([], mirror_seed) < 0.5
        pair = tf.cond(mirrored, lambda: tf.reverse(pair, [2]), lambda: pair)
    if turn:
        pair = tf.image.rot90(pair, tf.random.stateless_uniform([], turn_seed, 0, 4, tf.int32))
    return pair[0], pair[1]


def _decode(path: tf.Tensor) -> tf.Tensor:
    # TensorFlow's default JPEG decoder takes a short cut that is off by up to 13 levels.
    return tf.io.decode_jpeg(tf.io.read_file(path), channels=3, dct_method="INTEGER_ACCURATE")


def _signed(picture: tf.Tensor) -> tf.Tensor:
    return picture / 127.5 - 1.0
