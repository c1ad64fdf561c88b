"""Turns matched folders into batches of (blurred, sharp), any of which can be had by its number.

Order and augmentation are functions of (seed, number of the sample) alone, so there is no random
state to save: training that stops at step K goes on with the very batch that would have come.
"""

import contextlib
from collections.abc import Callable, Iterator

import tensorflow as tf

from train.memory import is_cached
from train.pairs import MEND, Pairs, UnmatchedPairsError, first_few, size_of
from train.settings import TrainSettings


@contextlib.contextmanager
def explain_damaged_picture(pairs: Pairs) -> Iterator[None]:
    """Turns TensorFlow's complaint about a picture into an UnmatchedPairsError that says which."""
    try:
        yield
    except (
        tf.errors.InvalidArgumentError,
        tf.errors.NotFoundError,
        tf.errors.PermissionDeniedError,
    ) as error:
        paths = [path for column in (pairs.sharp, *pairs.blurred) for path in column]
        damaged = [path for path in paths if size_of(path, whole=True) is None]
        if not damaged:
            raise
        raise UnmatchedPairsError(f"{first_few(damaged)} damaged; {MEND}") from error


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
    read = _reader(pairs, is_cached(pairs, settings.cache))
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
        return augment(pair, augment_seed, settings.jitter_px, side, pairs.mirror, turn)

    samples = tf.data.Dataset.range(first_step * num_here, last_step * num_here)
    samples = samples.map(load, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    batches = samples.batch(
        share.get_per_replica_batch_size(settings.batch), drop_remainder=True
    ).map(lambda b, s: (_signed(b), _signed(s)))
    return batches.prefetch(tf.data.AUTOTUNE)


def _reader(pairs: Pairs, cached: bool) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    """Gives the picture of a column, 0 for sharp or the kernel's number, and an image's index."""
    paths = tf.constant([pairs.sharp, *pairs.blurred])  # (1 + num_kernels, num_images)
    if not cached:
        return lambda column, index: _decode(paths[column, index])
    # On the CPU, where the data are made: a GPU's memory is for the networks.
    with explain_damaged_picture(pairs), tf.device("CPU:0"):
        decoded = tf.stack([tf.stack([_decode(path) for path in column]) for column in paths])
    return lambda column, index: decoded[column, index]


def rescale(
    pair: tf.Tensor, seed: tf.Tensor, side: int, scales: float
) -> tuple[tf.Tensor, tf.Tensor]:
    """Shows half of all pairs smaller, and so other radii of blur, and other detail.

    Never larger: what is sharp would be soft, and a network that is to leave it alone leaves small
    blurs alone as well.

    Args:
        pair: shape (2, height, width, 3), 0..255.
        seed: integer, shape (2,), for `tf.random`'s stateless functions.
        side: the results are at least as large, pixels.
        scales: up to so many times smaller; 1 leaves all as they are.

    Returns:
        the pair, and a seed for what comes next.
    """
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
