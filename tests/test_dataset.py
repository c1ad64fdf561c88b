"""Matched pictures: joined by their ids, read, and turned into batches."""

import hashlib
import io
import os
import tracemalloc
from dataclasses import replace

import cv2
import numpy as np
import pytest
import tensorflow as tf
from helpers.pair_files import photo_u8, picture_bomb, write_jpeg, write_matched_folders
from PIL import Image

import pipeline
from prepare.records.blur import LensBlur, OutputSettings
from prepare.records.data_folder import ImageRecord, write_manifest
from prepare.records.sets import WILD, KernelRecord
from train import dataset
from train.dataset import (
    CacheTooLargeError,
    Pairs,
    UnmatchedPairsError,
    augment,
    find_pairs,
    is_cached,
    picture_reader,
    read_picture,
    read_split,
    rescale,
    training_batches,
    write_picture,
)
from train.settings import TrainSettings
from train.validation import in_turn

IDS = [f"{index:05d}" for index in range(6)]
KERNELS = ("disc-r15", "disc-r30")
WHOLE = TrainSettings(batch=1, crop=0, turns=False)


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    return write_matched_folders(tmp_path_factory.mktemp("data"), IDS, 48, KERNELS)


def pairs_in(data_dir, ids=IDS, kernels=KERNELS):
    dirs = [data_dir / "blurred_resized" / each for each in kernels]
    return find_pairs(ids, data_dir / "not_blurred_resized", dirs)


def levels(picture_u8):
    return np.asarray(picture_u8, np.float32) / 127.5 - 1.0


def decoded(path):
    return np.asarray(Image.open(path).convert("RGB"))


def batches_of(pairs, first_step=0, last_step=12, **settings):
    batches = training_batches(pairs, replace(WHOLE, **settings), first_step, last_step)
    return [(blurred.numpy(), sharp.numpy()) for blurred, sharp in batches]


# The split.


def manifest_of(path, ids_by_split):
    images = {
        image_id: ImageRecord(image_id, split, "folder", "0", 64, 64)
        for split, ids in ids_by_split.items()
        for image_id in ids
    }
    write_manifest(path, images)
    return path


def test_validation_is_chosen_by_a_hash_that_no_version_may_change(tmp_path):
    training = [f"{n:05d}" for n in range(200)]
    split = read_split(manifest_of(tmp_path / "m", {"train": training, "test": ["a"]}))
    digests = {each: hashlib.sha256(f"validation {each}".encode()).digest() for each in training}
    chosen = [each for each in training if int.from_bytes(digests[each][:8], "big") % 16 == 0]
    assert sorted(split["validation"]) == chosen
    assert sorted(split["train"] + chosen) == training
    assert split["test"] == ["a"]
    few = read_split(manifest_of(tmp_path / "few", {"train": ["a", "b"], "test": ["c"]}))
    assert len(few["validation"]) == len(few["train"]) == 1


@pytest.mark.parametrize(("train", "test"), [(1, 5), (5, 0), (0, 0)])
def test_too_few_images_are_refused_with_their_numbers(tmp_path, train, test):
    ids = {"train": [f"a{n}" for n in range(train)], "test": [f"b{n}" for n in range(test)]}
    with pytest.raises(UnmatchedPairsError, match=f"has {train} training and {test} test images"):
        read_split(manifest_of(tmp_path / "m", ids))
    with pytest.raises(UnmatchedPairsError, match="run `make dataset` first"):
        read_split(tmp_path / "none")


# The pairs.


def test_pairs_are_joined_by_id_in_the_order_asked_for(data_dir):
    (data_dir / "not_blurred_resized" / "stranger.jpg").write_bytes(b"in no manifest")
    pairs = pairs_in(data_dir, ["00003", "00001"])
    assert pairs.ids == ("00003", "00001")
    assert pairs.size == 48
    sharp_dir = data_dir / "not_blurred_resized"
    assert pairs.sharp == tuple(str(sharp_dir / f"{each}.jpg") for each in pairs.ids)
    for column, kernel in zip(pairs.blurred, KERNELS, strict=True):
        folder = data_dir / "blurred_resized" / kernel
        assert column == tuple(str(folder / f"{each}.jpg") for each in pairs.ids)


def test_missing_partner_is_refused_by_name(tmp_path):
    write_matched_folders(tmp_path, IDS, 32, KERNELS)
    (tmp_path / "blurred_resized" / "disc-r30" / "00002.jpg").unlink()
    with pytest.raises(UnmatchedPairsError, match=r"disc-r30/00002\.jpg is missing.*make"):
        pairs_in(tmp_path)
    for path in (tmp_path / "not_blurred_resized").iterdir():
        path.unlink()
    with pytest.raises(UnmatchedPairsError, match=r"00000\.jpg, .* and 3 more are missing"):
        pairs_in(tmp_path)


@pytest.mark.parametrize("odd", [b"", b"no JPEG", picture_bomb(), "pipe", (64, 64), (32, 40)])
def test_partner_that_is_no_such_picture_is_refused_by_name(tmp_path, odd):
    write_matched_folders(tmp_path, IDS, 32, KERNELS)
    path, reason = tmp_path / "blurred_resized" / "disc-r30" / "00004.jpg", "damaged"
    path.unlink()
    if odd == "pipe":
        os.mkfifo(path)  # which would be waited for
        reason = "missing"
    elif isinstance(odd, bytes):
        path.write_bytes(odd)
    else:
        write_jpeg(path, photo_u8(0, *odd))
        reason = "not 32x32"
    with pytest.raises(UnmatchedPairsError, match=rf"disc-r30/00004\.jpg is {reason}"):
        pairs_in(tmp_path)


def test_blurred_picture_without_a_sharp_partner_is_refused_by_name(tmp_path):
    data_dir = write_matched_folders(tmp_path, IDS, 48, KERNELS)
    (data_dir / "not_blurred_resized" / f"{IDS[5]}.jpg").unlink()
    with pytest.raises(UnmatchedPairsError, match=f"{IDS[5]}.jpg"):
        pairs_in(data_dir, ids=IDS[:5])


def test_first_validated_images_meet_all_kernels_and_every_pair_comes_once():
    blurred = (("a15", "b15", "c15"), ("a30", "b30", "c30"))
    paths = list(in_turn(Pairs(tuple("abc"), tuple("abc"), blurred, 64)))
    assert paths[:3] == [("a15", "a"), ("b30", "b"), ("c15", "c")]
    assert len(set(paths)) == len(paths) == 6
    assert all(blurred[0] == sharp for blurred, sharp in paths)


# Pictures that are kept in memory.


def test_pictures_that_do_not_fit_into_memory_are_refused(monkeypatch):
    pairs = Pairs(tuple("abcde"), tuple("abcde"), (tuple("abcde"),) * 3, 64)
    needed = 20 * 64 * 64 * 3  # bytes of twenty pictures
    for free, auto in ((None, False), (needed, False), (4 * needed, True), (4 * needed - 1, False)):
        monkeypatch.setattr(dataset, "free_bytes", lambda free=free: free)
        assert is_cached(pairs, "1")
        assert not is_cached(pairs, "0")
        assert is_cached(pairs, "auto") is auto
    monkeypatch.setattr(dataset, "free_bytes", lambda: needed - 1)
    with pytest.raises(CacheTooLargeError, match=r"CACHE=1 takes 0.0 GB for 20 pictures of 64 pix"):
        is_cached(pairs, "1")


def test_command_says_at_once_what_does_not_fit(data_dir, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(dataset, "free_bytes", lambda: 1000)
    words = ["train", "--data-dir", str(data_dir), "--runs-dir", str(tmp_path / "runs")]
    words += ["--kernel", KERNELS[0]]
    assert pipeline.main([*words, "--dry-run"]) == 0
    assert pipeline.main([*words, "--cache", "1"]) == 1
    assert "GB of memory are free; leave it out" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


def test_kept_pictures_give_the_same_batches_and_are_held_once(data_dir):
    pairs = pairs_in(data_dir)
    tracemalloc.start()
    read = picture_reader(pairs, cached=True)
    assert tracemalloc.get_traced_memory()[1] < 1.5 * 18 * 48 * 48 * 3  # bytes of 18 pictures
    tracemalloc.stop()
    assert read(0, 0).shape == (48, 48, 3)
    for ours, cached in zip(batches_of(pairs), batches_of(pairs, cache="1"), strict=True):
        np.testing.assert_array_equal(ours, cached)


# The batches.


def test_pictures_are_written_and_read_back_as_rgb(tmp_path):
    picture = photo_u8(0, 20, 31)
    for name, most in (("a.PNG", 0), ("a.jpg", 3)):
        write_picture(tmp_path / name, picture)
        assert abs(read_picture(tmp_path / name).astype(float) - picture).mean() <= most
    with Image.open(tmp_path / "a.jpg") as image:
        assert len({(h, v) for _, h, v, _ in image.layer}) == 1  # full chroma
    Image.new("L", (5, 4), 77).save(tmp_path / "grey.png")
    assert (read_picture(tmp_path / "grey.png") == np.full((4, 5, 3), 77, np.uint8)).all()


def test_decoder_equals_pillow_and_opencv(tmp_path):
    rng = np.random.default_rng(0)
    pictures = [photo_u8(0, 64), rng.integers(0, 256, (64, 64, 3)).astype(np.uint8)]
    for number, picture in enumerate(pictures):
        buffer = io.BytesIO()
        Image.fromarray(picture).save(buffer, "JPEG", quality=95, subsampling=0)
        path = tmp_path / f"{number}.jpg"
        path.write_bytes(buffer.getvalue())
        pillow, opencv = decoded(path), cv2.imread(str(path))[:, :, ::-1]
        np.testing.assert_array_equal(pillow, opencv)
        pairs = Pairs(("0",), (str(path),), ((str(path),),), 64)
        [(blurred, sharp)] = batches_of(pairs, last_step=1)
        assert sharp.dtype == np.float32
        mirrored = pillow[:, ::-1]
        assert any(np.array_equal(sharp[0], levels(each)) for each in (pillow, mirrored))
        np.testing.assert_array_equal(blurred, sharp)


def test_each_epoch_shows_every_image_once_in_an_order_of_its_own(data_dir):
    pairs = pairs_in(data_dir)
    pictures = [levels(decoded(path)) for path in pairs.sharp]

    def index_of(shown):
        [index] = [
            index
            for index, picture in enumerate(pictures)
            if np.array_equal(shown, picture) or np.array_equal(shown, picture[:, ::-1])
        ]
        return index

    order = [index_of(sharp[0]) for _, sharp in batches_of(pairs, last_step=30)]
    epochs = [tuple(order[start : start + 6]) for start in range(0, 30, 6)]
    assert all(sorted(epoch) == list(range(6)) for epoch in epochs)
    assert len(set(epochs)) > 1
    other = [index_of(sharp[0]) for _, sharp in batches_of(pairs, last_step=30, seed=1)]
    assert other != order


def test_halves_belong_together(data_dir):
    pairs = pairs_in(data_dir)
    partners = {}
    for index, sharp_path in enumerate(pairs.sharp):
        for mirror in (1, -1):
            sharp = levels(decoded(sharp_path))[:, ::mirror]
            blurred = [levels(decoded(column[index]))[:, ::mirror] for column in pairs.blurred]
            partners[sharp.tobytes()] = {each.tobytes(): k for k, each in enumerate(blurred)}
    kernels = [partners[s[0].tobytes()][b[0].tobytes()] for b, s in batches_of(pairs, 0, 40)]
    assert set(kernels) == {0, 1}  # every set has its turn


@pytest.mark.parametrize("batch", [1, 4])
def test_batch_of_a_step_is_the_same_whatever_the_first_step(data_dir, batch):
    pairs = pairs_in(data_dir)
    whole = batches_of(pairs, 0, 9, batch=batch, jitter_px=3, seed=5)
    assert len(whole) == 9
    for first_step in (1, 4, 8):
        resumed = batches_of(pairs, first_step, 9, batch=batch, jitter_px=3, seed=5)
        for one, other in zip(whole[first_step:], resumed, strict=True):
            np.testing.assert_array_equal(one, other)


def test_augmentation_only_shifts_and_mirrors():
    """No value is new and none is mixed with its neighbor: the blur radius stays as it is."""
    jitter_px, size = 3, 16
    picture = photo_u8(4, size)
    padded = np.pad(picture, ((3, 3), (3, 3), (0, 0)), "reflect")
    possible = {
        padded[y : y + size, x : x + size][:, ::mirror].tobytes()
        for y in range(2 * jitter_px + 1)
        for x in range(2 * jitter_px + 1)
        for mirror in (1, -1)
    }
    pair, seen = tf.constant(np.stack([picture, picture])), set()
    for number in range(60):
        one, other = augment(pair, tf.constant([0, number], tf.int64), jitter_px, size, True, False)
        assert one.numpy().tobytes() == other.numpy().tobytes()
        seen.add(one.numpy().tobytes())
    assert seen <= possible
    assert len(seen) > 20


def test_half_are_shown_smaller_and_both_halves_alike():
    pair = tf.constant(np.random.default_rng(0).uniform(0, 255, (1, 64, 64, 3)), tf.float32)
    pair = tf.repeat(pair, 2, 0)
    sides = []
    for number in range(200):
        scaled, _ = rescale(pair, tf.constant([0, number], tf.int64), 32, 2.0)
        np.testing.assert_array_equal(scaled[0], scaled[1])
        sides.append(scaled.shape[1])
    assert 70 < sides.count(64) < 130
    assert min(sides) >= 32
    assert max(sides) == 64
    seed = tf.constant([0, 1], tf.int64)
    assert rescale(pair, seed, 32, 1.0) == (pair, seed)


def test_only_blur_of_no_size_of_its_own_is_shown_at_other_scales(tmp_path):
    for name, blur in {"a": LensBlur(30), "b": LensBlur((10, 40)), "c": WILD}.items():
        KernelRecord(blur, OutputSettings(32)).write(tmp_path / name)
    folders = {name: tmp_path / name for name in "abcd"}
    (tmp_path / "d").mkdir()
    sharp = tmp_path / "sharp"
    for folder in (*folders.values(), sharp):
        write_jpeg(folder / "0.jpg", photo_u8(0, 32))
    assert [find_pairs(["0"], sharp, [folders[n]]).any_scale for n in "abcd"] == [0, 1, 1, 0]
    assert [find_pairs(["0"], sharp, [folders[n]]).fixed_radii for n in "abcd"] == [1, 0, 0, 0]
    assert find_pairs(["0"], sharp, [folders["b"], folders["c"]]).any_scale
    assert not find_pairs(["0"], sharp, [folders["a"], folders["b"]]).any_scale


def test_eight_ways_to_turn_and_mirror_are_all_as_frequent():
    picture = photo_u8(4, 16)
    pair = tf.constant(np.stack([picture, picture]))
    seeds = [tf.constant([2, number], tf.int64) for number in range(800)]
    shown = [augment(pair, seed, 0, 16, True, True)[0].numpy().tobytes() for seed in seeds]
    sides = (picture, picture[:, ::-1])
    ways = [np.rot90(side, turns).tobytes() for side in sides for turns in range(4)]
    assert all(53 < shown.count(way) < 147 for way in ways)  # five standard deviations
    assert sum(shown.count(way) for way in ways) == 800


@pytest.mark.parametrize(
    ("blur", "mirror", "turn"),
    [
        ({"blades": 0, "curvature": 0, "rotation": 20}, True, True),
        ({"blades": 5, "curvature": 100, "rotation": 20}, True, True),
        ({"blades": 6, "curvature": 0, "rotation": 0}, True, False),
        ({"blades": 5, "curvature": 50, "rotation": 20}, False, False),
    ],
)
def test_only_what_leaves_the_blur_as_it_is_is_done_to_the_pictures(tmp_path, blur, mirror, turn):
    data_dir = write_matched_folders(tmp_path, IDS, 48, KERNELS)
    for kernel, settings in zip(KERNELS, (blur, {}), strict=True):
        record = KernelRecord(LensBlur(**settings), OutputSettings(48))
        record.write(data_dir / "blurred_resized" / kernel)
    pairs = pairs_in(data_dir)
    assert (pairs.mirror, pairs.turn) == (mirror, turn)


def test_a_blur_that_nobody_recorded_is_mirrored_but_not_turned(tmp_path):
    data_dir = write_matched_folders(tmp_path, IDS, 48, KERNELS)
    KernelRecord(LensBlur(), OutputSettings(48)).write(data_dir / "blurred_resized" / KERNELS[0])
    for kernels, turn in ((KERNELS, False), (KERNELS[1:], False), (KERNELS[:1], True)):
        pairs = pairs_in(data_dir, kernels=kernels)
        assert (pairs.mirror, pairs.turn) == (True, turn)


def test_crops_are_windows_of_the_same_place_in_both_halves(data_dir):
    pairs = pairs_in(data_dir)
    for (_, whole), (_, crop) in zip(batches_of(pairs), batches_of(pairs, crop=16), strict=True):
        assert crop.shape == (1, 16, 16, 3)
        windows = np.lib.stride_tricks.sliding_window_view(whole[0], (16, 16), axis=(0, 1))
        distance = np.abs(np.moveaxis(windows, 2, -1) - crop[0]).max(axis=(2, 3, 4))
        assert distance.min() == 0
