"""Matches pictures by their ids, reads them, and makes batches.

Order and augmentation depend only on the seed and the number of the sample, so there is no random
state to save: training that stops at step K continues with the batch that would have come next.
TensorFlow is imported inside functions, so that reading pairs does not wait for it.
"""

import contextlib
import math
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from prepare.records.data_folder import read_manifest
from prepare.records.files import atomic_file, hash_of, open_regular
from prepare.records.sets import read_kernel
from train import TrainError
from train.devices import free_bytes
from train.settings import TrainSettings

if TYPE_CHECKING:
    import tensorflow as tf

Restore = Callable[[np.ndarray], np.ndarray]  # from a picture, uint8 (height, width, 3), to another

HINT = "remove what is damaged, run `make dataset`, then the same command again"
VALIDATION_SHARE = 16  # one in so many training images is kept for validation
AUTO_SHARE = 0.25  # of the free memory that pictures may take unasked
ALIGNMENT = 64  # bytes to which an array begins that TensorFlow takes as it is, without a copy


class UnmatchedPairsError(TrainError):
    """The sharp and blurred folders do not hold the same images at the same size."""


class CacheTooLargeError(TrainError):
    """The pictures that are to be kept in memory do not fit into it."""


@dataclass(frozen=True)
class Pairs:
    """Paths of matched pictures: `blurred[k][i]` is kernel k's copy of `sharp[i]`."""

    ids: tuple[str, ...]
    sharp: tuple[str, ...]
    blurred: tuple[tuple[str, ...], ...]  # one tuple a kernel
    size: int  # side of the pictures, pixels
    mirror: bool = True  # whether the blur is the same in a mirror
    turn: bool = False  # whether it is the same after a quarter turn
    any_scale: bool = False  # whether it has no size of its own, but a range of radii
    fixed_radii: bool = False  # whether each set has one radius, the same in all its pictures


def read_split(manifest_path: Path) -> dict[str, list[str]]:
    """Ids on each side of the split: "train", "validation" (a slice of training) and "test".

    Raises:
        UnmatchedPairsError: if there is no manifest, or it has no image to train or to test on.
        DamagedRecordError: if it cannot be read.
    """
    if not manifest_path.exists():
        raise UnmatchedPairsError(f"no {manifest_path}; run `make dataset` first")
    split: dict[str, list[str]] = {"train": [], "validation": [], "test": []}
    for image in read_manifest(manifest_path).values():
        split[image.split].append(image.id)
    if len(split["train"]) < 2 or not split["test"]:
        counts = f"{len(split['train'])} training and {len(split['test'])} test images"
        raise UnmatchedPairsError(f"{manifest_path} has {counts}; run `make dataset` with more")
    ranks = {image_id: hash_of(f"validation {image_id}") for image_id in split["train"]}
    ranked = sorted(split["train"], key=ranks.__getitem__)
    chosen = [image_id for image_id in ranked if ranks[image_id] % VALIDATION_SHARE == 0]
    split["validation"] = chosen or ranked[:1]
    kept_aside = set(split["validation"])
    split["train"] = [image_id for image_id in split["train"] if image_id not in kept_aside]
    return split


def find_pairs(ids: Sequence[str], sharp_dir: Path, blurred_dirs: Sequence[Path]) -> Pairs:
    """Joins the pictures of `ids` across folders, by id.

    Raises:
        UnmatchedPairsError: if a picture is missing or of another size; names the first few.
    """
    records = [read_kernel(folder) for folder in blurred_dirs]
    folders = [sharp_dir, *blurred_dirs]
    paths = [[folder / f"{image_id}.jpg" for image_id in ids] for folder in folders]
    for column, record in zip(paths, [None, *records], strict=True):
        if missing := [str(path) for path in column if not path.is_file()]:
            hint = f"`{record.make_command}` to make missing pictures" if record else ""
            hint = hint or "`make dataset` to make missing pairs"
            raise UnmatchedPairsError(f"{first_few(missing)} missing; run {hint}")
    sizes = {str(path): size_of(path) for column in paths for path in column}
    if damaged := [path for path, size in sizes.items() if size is None]:
        raise UnmatchedPairsError(f"{first_few(damaged)} damaged; {HINT}")
    size = sizes[str(paths[0][0])]
    assert size is not None  # none is damaged
    odd = [path for path, other in sizes.items() if other != size]
    if odd or size[0] != size[1]:
        raise UnmatchedPairsError(
            f"{first_few(odd or [str(paths[0][0])])} not {size[0]}x{size[0]} as the others; "
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
            f"no sharp partner: {first_few(orphans)} alone; run `make dataset` to make missing "
            "pairs, or remove what you put there"
        )
    sharp, *blurred = (tuple(map(str, column)) for column in paths)
    # Of a set without a record, as of pictures blurred elsewhere, a mirror is taken for granted.
    symmetries = [record.blur.symmetry if record else (True, False) for record in records]
    return Pairs(
        tuple(ids),
        sharp,
        tuple(blurred),
        size[0],
        mirror=all(mirror for mirror, _ in symmetries),
        turn=all(turn for _, turn in symmetries),
        any_scale=all(record and "radius_px" in record.blur.spreads for record in records),
        fixed_radii=all(record and record.blur.has_one_radius for record in records),
    )


def size_of(path: str | Path, whole: bool = False) -> tuple[int, int] | None:
    """Width and height of a picture, or None if its header, or all of it, cannot be read."""
    try:
        with open_regular(path) as file, Image.open(file) as image:
            if whole:
                image.load()
            return image.size
    except (OSError, SyntaxError, Image.DecompressionBombError):
        return None


def first_few(names: Sequence[str]) -> str:
    """The first names of a list that may be long, and the verb that follows them."""
    shown = ", ".join(names[:3])
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"{shown}{more} {'is' if len(names) == 1 else 'are'}"


def write_picture(path: Path, picture_u8: np.ndarray) -> None:
    """Writes a (height, width, 3) RGB picture as PNG, or as JPEG of quality 95, 4:4:4."""
    image = Image.fromarray(picture_u8)
    with atomic_file(path) as file:
        if path.suffix.lower() == ".png":
            # A fourth of the time of Pillow's default, for 3 % more bytes.
            image.save(file, "PNG", compress_type=zlib.Z_RLE)
        else:
            image.save(file, "JPEG", quality=95, subsampling=0)


def read_picture(path: str | Path) -> np.ndarray:
    """A picture as uint8, shape (height, width, 3), RGB, 0..255.

    Raises:
        OSError: if it is missing or damaged; names it.
    """
    try:
        with open_regular(path) as file, Image.open(file) as image:
            return np.asarray(image.convert("RGB"))
    except FileNotFoundError:
        raise
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise OSError(f"{path} is damaged ({error}); remove it and make it again") from error


def is_cached(pairs: Pairs, cache: str) -> bool:
    """Whether all pictures are to be kept in memory, decoded; see the setting `cache`.

    Raises:
        CacheTooLargeError: if they are to be, and do not fit, as far as the system tells.
    """
    num_pictures = len(pairs.ids) * (1 + len(pairs.blurred))
    needed, free = num_pictures * 3 * pairs.size**2, free_bytes()
    if cache == "auto":
        return free is not None and needed <= free * AUTO_SHARE
    if cache == "1" and free is not None and needed > free:
        raise CacheTooLargeError(
            f"CACHE=1 takes {needed / 1e9:.1f} GB for {num_pictures} pictures of {pairs.size} "
            f"pixels, and {free / 1e9:.1f} GB of memory are free; leave it out"
        )
    return cache == "1"


@contextlib.contextmanager
def explain_damaged_picture(pairs: Pairs) -> Iterator[None]:
    """Turns TensorFlow's error about a picture into an UnmatchedPairsError that names it."""
    import tensorflow as tf

    try:
        yield
    except (tf.errors.InvalidArgumentError, tf.errors.NotFoundError) as error:
        paths = [path for column in (pairs.sharp, *pairs.blurred) for path in column]
        damaged = [path for path in paths if size_of(path, whole=True) is None]
        if not damaged:
            raise
        raise UnmatchedPairsError(f"{first_few(damaged)} damaged; {HINT}") from error


def training_batches(
    pairs: Pairs,
    settings: TrainSettings,
    first_step: int,
    last_step: int,
    share: "tf.distribute.InputContext | None" = None,
) -> "tf.data.Dataset":
    """Augmented batches of the steps first_step + 1 .. last_step, in order.

    Args:
        share: of a machine among several: the consecutive part of each batch that it is to make,
            cut into one smaller batch for each of its devices.

    Returns:
        (blurred, sharp), each float32, shape (batch, side, side, 3), RGB, -1..1, where side is
        that of the crops, or of the pictures.
    """
    import tensorflow as tf

    num_images, num_kernels = len(pairs.sharp), len(pairs.blurred)
    read = picture_reader(pairs, is_cached(pairs, settings.cache))
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
        pair = tf.stack([read(kernel, index), read(0, index)])
        turn = pairs.turn and settings.turns
        pair = tf.cast(pair, tf.float32)  # to turn bytes, oneDNN wants AVX-512, and says so
        scales = settings.scales if pairs.any_scale else 1.0
        pair, augment_seed = rescale(pair, augment_seed, side, scales)
        blurred, sharp = augment(pair, augment_seed, settings.jitter_px, side, pairs.mirror, turn)
        if settings.overlays == 0:
            return blurred, sharp
        front_seed, wanted_seed, place_seed = tf.unstack(
            tf.random.experimental.stateless_split(kernel_seed, 3)
        )
        front = tf.random.stateless_uniform([], front_seed, 0, num_images, tf.int64)
        return tf.cond(
            tf.random.stateless_uniform([], wanted_seed) < settings.overlays,
            lambda: overlay(blurred, sharp, tf.cast(read(0, front), tf.float32), place_seed),
            lambda: (blurred, sharp),
        )

    options = tf.data.Options()
    options.experimental_optimization.apply_default_optimizations = False  # copies kept pictures
    samples = tf.data.Dataset.range(first_step * num_here, last_step * num_here)
    samples = samples.map(load, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    batches = samples.batch(share.get_per_replica_batch_size(settings.batch), drop_remainder=True)
    signed = batches.map(lambda blurred, sharp: (blurred / 127.5 - 1.0, sharp / 127.5 - 1.0))
    return signed.prefetch(tf.data.AUTOTUNE).with_options(options)


def overlay(
    blurred: "tf.Tensor", sharp: "tf.Tensor", other: "tf.Tensor", seed: "tf.Tensor"
) -> "tuple[tf.Tensor, tf.Tensor]":
    """Lays something sharp over both pictures of a pair: another picture, or one color.

    The part behind it is blurred with the rest, as behind a thumb or frame. An inverse of the blur
    must not look across the edge.

    Args:
        blurred, sharp: (side, side, 3), 0..255.
        other: another picture, at least as large.
        seed: integer, shape (2,), for `tf.random`'s stateless functions.
    """
    import tensorflow as tf

    uniform = tf.random.stateless_uniform
    seeds = tf.unstack(tf.random.experimental.stateless_split(seed, 8))
    side = tf.shape(blurred)[0]
    # Outlines are round, as of hands and leaves, or straight, as of frames and letters.
    straight = uniform([], seeds[0]) < 0.4
    most_cells = tf.where(straight, 25, 8)
    cells = uniform([2], seeds[1], 2, most_cells, tf.int32)
    field = tf.random.stateless_normal([cells[0], cells[1], 1], seeds[2])
    field = tf.cond(
        straight,
        lambda: tf.image.resize(field, [side, side], "nearest"),
        lambda: tf.image.resize(field, [side, side], "bicubic"),
    )
    sharpness = uniform([], seeds[3], 8.0, 60.0)  # so that edges are 1 to 6 pixels wide
    mask = tf.clip_by_value(0.5 + sharpness * (field - uniform([], seeds[4], 0.3, 1.5)), 0.0, 1.0)
    front = tf.image.stateless_random_crop(other, tf.shape(blurred), seeds[5])
    color = uniform([3], seeds[6], -60.0, 315.0)  # often black or white
    gray = uniform([], seeds[7]) < 0.8
    color = tf.clip_by_value(tf.where(gray, color[:1], color), 0.0, 255.0)
    front = tf.where(straight, color, front)
    return blurred + mask * (front - blurred), sharp + mask * (front - sharp)


def picture_reader(
    pairs: Pairs, cached: bool
) -> "Callable[[tf.Tensor | int, tf.Tensor], tf.Tensor]":
    """Gives the picture of a column, 0 for sharp or the kernel's number, and an image's index."""
    import tensorflow as tf

    def decode(path: tf.Tensor | str) -> tf.Tensor:
        # TensorFlow's default JPEG decoder takes a short cut that is off by up to 13 levels.
        return tf.io.decode_jpeg(tf.io.read_file(path), 3, dct_method="INTEGER_ACCURATE")

    columns = [pairs.sharp, *pairs.blurred]
    if not cached:
        paths = tf.constant(columns)
        return lambda column, index: decode(paths[column, index])
    shape = (len(columns), len(pairs.sharp), pairs.size, pairs.size, 3)
    spacious = np.empty(math.prod(shape) + ALIGNMENT, np.uint8)
    first = -spacious.ctypes.data % ALIGNMENT
    pictures = spacious[first : first + math.prod(shape)].reshape(shape)
    with explain_damaged_picture(pairs):
        for kept, paths in zip(pictures, columns, strict=True):
            for index, path in enumerate(paths):
                kept[index] = decode(path).numpy()
    decoded = tf.experimental.dlpack.from_dlpack(pictures.__dlpack__())
    return lambda column, index: decoded[column, index]


def rescale(
    pair: "tf.Tensor", seed: "tf.Tensor", side: int, scales: float
) -> "tuple[tf.Tensor, tf.Tensor]":
    """Shows half of all pairs up to `scales` times smaller: other radii of blur, and other detail.

    Never larger: sharp pictures would become soft, and a network that learns to keep them keeps
    small blurs too. Never smaller than `side`. Takes pair and seed of `augment`, and returns a
    pair and a seed for the next step.
    """
    import tensorflow as tf

    if scales == 1:
        return pair, seed
    scale_seed, next_seed = tf.unstack(tf.random.experimental.stateless_split(seed, 2))
    place = tf.random.stateless_uniform([], scale_seed, -1.0, 1.0)
    scale = scales ** tf.minimum(place, 0.0)
    old_side = tf.shape(pair)[1]
    new_side = tf.cast(tf.round(tf.cast(old_side, tf.float32) * scale), tf.int32)
    new_side = tf.maximum(new_side, side)

    def resized() -> tf.Tensor:
        scaled = tf.image.resize(pair, [new_side, new_side], "bicubic", antialias=True)
        return tf.clip_by_value(scaled, 0.0, 255.0)

    return tf.cond(new_side == old_side, lambda: pair, resized), next_seed


def augment(
    pair: "tf.Tensor", seed: "tf.Tensor", jitter_px: int, side: int, mirror: bool, turn: bool
) -> "tuple[tf.Tensor, tf.Tensor]":
    """Shifts, crops, mirrors and turns both pictures of a pair alike, never changing their scale.

    Pix2pix resizes to 286 and crops 256; that would widen the blur by 12 %, and the network would
    learn a radius it never meets again.

    Args:
        pair: shape (2, height, width, 3), 0..255.
        seed: integer, shape (2,), for `tf.random`'s stateless functions.
        jitter_px: largest shift; the pictures are continued by reflection.
        side: of the results, pixels; where it is less than the pictures', any part of them.
        mirror: exchanges left and right half of the time.
        turn: by any multiple of 90 degrees, each as often.
    """
    import tensorflow as tf

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
