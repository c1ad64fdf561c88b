"""Pairs: what is made of originals, what is refused with a reason, what is there already."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from helpers.pair_files import ROOT, photo_u8, tree, write_jpeg, write_photos
from helpers.pair_writing import (
    BLURS,
    dataset,
    ids_of,
    originals_of,
    reasons_of,
    sets_of,
    words_of_dataset,
    write,
)
from PIL import Image as PillowImage

import pipeline
from prepare import PrepareError
from prepare.originals import Original
from prepare.pairs import (
    complete_ids,
    write_kernel_records,
)
from prepare.records.blur import LensBlur, OutputSettings
from prepare.records.data_folder import DataFolder, Part, read_manifest, split_of
from prepare.records.files import only_writer
from prepare.workers import in_order


@pytest.fixture
def originals(tmp_path):
    return originals_of(tmp_path / "photos", [f"{index:05d}.png" for index in range(3)])


def complete(path, blurs=BLURS):
    return complete_ids(ids_of(path), DataFolder(path), blurs)


def pixels(path):
    return np.asarray(PillowImage.open(path)).astype(float)


# What is made.


def test_every_original_has_a_sharp_and_a_blurred_half_by_its_name(tmp_path, originals):
    assert write(tmp_path, originals) == 3
    folders, names = DataFolder(tmp_path), {f"{index:05d}.jpg" for index in range(3)}
    for folder in (folders.sharp, *(folders.blurred / blur.name for blur in BLURS)):
        assert {path.name for path in folder.iterdir()} == names
        for path in folder.iterdir():
            with PillowImage.open(path) as image:
                assert (image.size, image.mode, image.format) == ((32, 32), "RGB", "JPEG")
                # 4:4:4: no component is sampled more coarsely than another.
                assert len({(h, v) for _, h, v, _ in image.layer}) == 1


def test_sharp_half_is_the_central_square_reduced_and_the_blurred_half_loses_detail(tmp_path):
    photo = photo_u8(3, 96, 160)
    (tmp_path / "photos").mkdir()
    PillowImage.fromarray(photo).save(tmp_path / "photos" / "a.png")
    write(tmp_path, [Original("a", tmp_path / "photos" / "a.png", "folder")])
    data = DataFolder(tmp_path)
    image = read_manifest(data.manifest)["a"]
    assert image.sha256 == hashlib.sha256((tmp_path / "photos" / "a.png").read_bytes()).hexdigest()
    assert (image.width, image.height, image.source) == (160, 96, "folder")
    assert image.split == split_of("a")
    blocks = photo[:, 32:128].astype(float).reshape(32, 3, 32, 3, 3).mean((1, 3))
    sharp = pixels(data.sharp_path("a"))
    assert np.abs(sharp - blocks).mean() < 2  # what JPEG costs at quality 95
    for blur in BLURS:
        blurred = pixels(data.blurred_path(blur.name, "a"))
        assert abs(blurred.mean() - sharp.mean()) < 8  # borders are replicated, so not exactly
        assert np.abs(np.diff(blurred, axis=0)).mean() < np.abs(np.diff(sharp, axis=0)).mean()


def test_one_and_many_workers_write_the_same_bytes(tmp_path):
    originals = originals_of(tmp_path / "photos", [f"{index:02d}.png" for index in range(19)])
    originals[2].path.write_bytes(b"no PNG")
    for workers in (1, 2):
        assert write(tmp_path / str(workers), originals, 17, workers=workers) == 17
    assert tree(tmp_path / "1") == tree(tmp_path / "2")


def test_the_first_usable_originals_are_taken_and_no_more_are_asked_for(tmp_path):
    names = [f"{index:02d}.png" for index in range(10)]
    every = originals_of(tmp_path / "photos", names, **{"01": "is no face"})
    every[3].path.write_bytes(every[3].path.read_bytes()[:500])
    asked = []
    source = (asked.append(each.id) or each for each in every)
    assert write(tmp_path, source, 4) == 4
    assert ids_of(tmp_path) == {"00", "02", "04", "05"}
    assert asked == ["00", "01", "02", "03", "04", "05"]
    lines = (tmp_path / "rejected.jsonl").read_text().splitlines()
    assert [json.loads(line)["id"] for line in lines] == ["01", "03"]
    assert reasons_of(tmp_path)["01"] == "is no face"
    assert json.loads(lines[1])["file"] == str(tmp_path / "photos" / "03.png")


def test_source_that_fails_does_so_after_what_it_gave_was_made(tmp_path, originals):
    def source():
        yield from originals
        raise PrepareError("the quota is used up")

    with pytest.raises(PrepareError, match="quota"):
        write(tmp_path, source(), 7)
    assert complete(tmp_path) == {"00000", "00001", "00002"}


def test_picture_that_cannot_be_written_is_an_os_error_and_the_rest_is_recorded(tmp_path):
    originals = originals_of(tmp_path / "photos", ["a.png", "b.png"])
    (tmp_path / "not_blurred_resized" / "b.jpg").mkdir(parents=True)
    with pytest.raises(OSError, match=r"b\.jpg"):
        write(tmp_path, originals)
    assert ids_of(tmp_path) == {"a"}


def test_each_image_has_its_own_depth_map(tmp_path):
    originals = originals_of(tmp_path / "photos", ["face.png", "none.png", "large.png"])
    write_photos(tmp_path / "photos", ["face.a.png"])
    originals.append(Original("face.a", tmp_path / "photos" / "face.a.png", "folder"))
    (tmp_path / "depth").mkdir()
    (tmp_path / "depth" / "face.json").write_text("{}")
    depths = ("face", 0, 64), ("face.a", 255, 64), ("large", 0, 96)  # in focus; far behind it
    for stem, level, side in depths:
        depth = np.full((side, side), level, np.uint8)
        PillowImage.fromarray(depth).save(tmp_path / "depth" / f"{stem}.png")
    blur, data = LensBlur(60, depth=True), DataFolder(tmp_path)
    assert write(tmp_path, originals, blurs=[blur], depth_dir=tmp_path / "depth") == 2
    for image_id, is_equal in (("face", True), ("face.a", False)):
        sharp, blurred = data.sharp_path(image_id), data.blurred_path(blur.name, image_id)
        assert (np.abs(pixels(sharp) - pixels(blurred)).mean() < 3) == is_equal
    assert reasons_of(tmp_path) == {
        "none": f"has no depth map in {tmp_path / 'depth'}",
        "large": f"has a depth map of another size, {tmp_path / 'depth' / 'large.png'}",
    }


def test_originals_that_are_dropped_are_ours_never_links_or_photographs(tmp_path):
    data = DataFolder(tmp_path)
    linked, *_ = originals_of(tmp_path / "photos", ["linked.png", "fetched.png", "own.png"])
    data.originals.mkdir()
    originals = [
        Original("linked", data.originals / "linked.png", "mirror"),
        Original("fetched", data.originals / "fetched.png", "mirror"),
        Original("own", data.originals / "own.png", "folder"),
    ]
    originals[0].path.symlink_to(linked.path)
    for original in originals[1:]:
        shutil.copy(tmp_path / "photos" / original.path.name, original.path)
    assert write(tmp_path, originals, keep_originals=False) == 3
    assert {path.name for path in data.originals.iterdir()} == {"linked.png", "own.png"}
    assert linked.path.exists()


# What is there already.


@pytest.mark.parametrize("damage", ["gone", "empty", "cut", "begun wrong"])
@pytest.mark.parametrize("half", ["not_blurred_resized", "blurred_resized/disc-r30"])
def test_pair_with_a_damaged_half_is_not_complete(tmp_path, originals, half, damage):
    write(tmp_path, originals[:2])
    path = tmp_path / half / "00001.jpg"
    content = path.read_bytes()
    path.unlink()
    damaged = {"empty": b"", "cut": content[:-10], "begun wrong": bytes(2) + content[2:]}
    if damage != "gone":
        path.write_bytes(damaged[damage])
    assert complete(tmp_path) == {"00000"}
    assert write(tmp_path, originals[1:2]) == 1
    assert path.read_bytes() == content


def test_changed_original_takes_its_old_copies_away(tmp_path, originals):
    write(tmp_path, originals[:2])
    PillowImage.fromarray(photo_u8(99)).save(originals[0].path)
    write(tmp_path, originals[:1], blurs=BLURS[:1])
    assert complete(tmp_path, BLURS[:1]) == {"00000", "00001"}
    assert complete(tmp_path) == {"00001"}  # no stale second copy


def test_blur_alone_leaves_the_sharp_half_and_refuses_a_changed_original(tmp_path, originals):
    write(tmp_path, originals, blurs=BLURS[:1])
    before = {path: path.stat() for path in DataFolder(tmp_path).sharp.iterdir()}
    PillowImage.fromarray(photo_u8(99)).save(originals[0].path)
    assert write(tmp_path, originals, blurs=BLURS[1:], keep_sharp=True) == 2
    assert {path: path.stat() for path in before} == before
    assert "changed after its sharp half" in reasons_of(tmp_path)["00000"]


# What cannot be used.


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"<html></html>", "no image"),
        (None, "cannot be opened (No such file or directory)"),
    ],
)
def test_file_that_cannot_be_read_is_listed_until_it_is_mended(tmp_path, content, reason):
    originals = originals_of(tmp_path / "photos", ["a.png", "b.png", "c.png"])
    path = originals[1].path
    good = path.read_bytes()
    path.unlink() if content is None else path.write_bytes(content)
    assert write(tmp_path, originals) == 2
    assert ids_of(tmp_path) == {"a", "c"}
    assert list(reasons_of(tmp_path)) == ["b"]
    assert reason in reasons_of(tmp_path)["b"]
    path.write_bytes(good)
    assert write(tmp_path, originals) == 3
    assert reasons_of(tmp_path) == {}


def test_original_that_its_source_refuses_leaves_the_pair_of_its_id(tmp_path):
    [good] = originals_of(tmp_path / "photos", ["a.png"])
    taken = Original("a", tmp_path / "photos" / "a.bmp", "folder", problem="id a is taken")
    assert write(tmp_path, [good]) == 1
    assert write(tmp_path, [taken]) == 0
    assert complete(tmp_path) == {"a"}
    assert reasons_of(tmp_path) == {"a": "id a is taken"}


@pytest.mark.parametrize(
    ("height", "width", "reasons"),
    [(31, 100, ["is 100x31, smaller than the 32x32 that is written"]), (32, 40, [])],
)
def test_photograph_smaller_than_the_pictures_is_refused(tmp_path, height, width, reasons):
    photos = write_photos(tmp_path / "photos", ["small.png"], height, width)
    write(tmp_path, [Original("small", photos / "small.png", "folder")])
    assert list(reasons_of(tmp_path).values()) == reasons


# The split: no photograph is learned from and tested on.

TRAIN = [f"face{i}" for i in range(40) if split_of(f"face{i}") == "train"]
TEST = [f"face{i}" for i in range(40) if split_of(f"face{i}") == "test"]


def same_photographs(folder, ids):
    originals = originals_of(folder, [f"{image_id}.png" for image_id in ids])
    for original in originals[1:]:
        shutil.copy(originals[0].path, original.path)
    return originals


def test_copy_on_the_other_side_is_listed_and_another_takes_its_place(tmp_path):
    first, same, other = TRAIN[0], TRAIN[1], TEST[0]
    originals = same_photographs(tmp_path / "photos", [first, same, other])
    originals += originals_of(tmp_path / "photos", ["more.png"])
    assert write(tmp_path, originals, 3) == 3
    assert ids_of(tmp_path) == {first, same, "more"}  # on one side it does no harm
    reason = f"same file as {first}, which is in the other set (training or test)"
    assert reasons_of(tmp_path) == {other: reason}
    assert not DataFolder(tmp_path).sharp_path(other).exists()
    assert write(tmp_path, originals[2:3]) == 0  # by what the manifest says, too


def test_image_that_changed_gives_its_old_bytes_free(tmp_path):
    originals = same_photographs(tmp_path / "photos", [TRAIN[0], TEST[0]])
    assert write(tmp_path, originals) == 1
    PillowImage.fromarray(photo_u8(99)).save(originals[0].path)
    assert write(tmp_path, originals) == 2
    originals[1].path.write_bytes(originals[0].path.read_bytes())
    assert write(tmp_path, originals[1:]) == 0
    originals[0].path.write_bytes(b"no PNG")
    assert write(tmp_path, originals) == 1
    assert ids_of(tmp_path) == {TEST[0]}


# Settings of a set.


@pytest.mark.parametrize("changed", [OutputSettings(size=64), OutputSettings(size=32, quality=90)])
def test_other_size_or_quality_is_refused_where_there_are_pictures(tmp_path, changed):
    ranged = [LensBlur((10, 40))]
    write_kernel_records(DataFolder(tmp_path), sets_of(ranged, changed))
    write_kernel_records(DataFolder(tmp_path), sets_of(ranged))
    write_jpeg(tmp_path / "blurred_resized" / "disc-r10-40" / "a.jpg", photo_u8(0))
    before = tree(tmp_path)
    for blurs in (ranged, BLURS[1:]):
        with pytest.raises(PrepareError, match=r"disc-r10-40 was made with .*now asked for"):
            write_kernel_records(DataFolder(tmp_path), sets_of(blurs, changed))
    write_kernel_records(DataFolder(tmp_path), sets_of(ranged))
    assert tree(tmp_path) == before


def test_pictures_blurred_elsewhere_are_in_nobodys_way_unless_they_have_the_sets_name(tmp_path):
    write_jpeg(tmp_path / "blurred_resized" / "photoshop" / "a.jpg", photo_u8(0))
    write_kernel_records(DataFolder(tmp_path), sets_of(BLURS[:1]))
    assert not (tmp_path / "blurred_resized" / "photoshop" / "kernel.json").exists()
    write_jpeg(tmp_path / "blurred_resized" / BLURS[1].name / "a.jpg", photo_u8(0))
    with pytest.raises(PrepareError, match="unknown"):
        write_kernel_records(DataFolder(tmp_path), sets_of())


# `clean-pairs` where folders are links: the links go, and what they lead to stays.


def test_what_is_behind_links_stays(tmp_path):
    photos = write_photos(tmp_path / "photos", ["a.png", "b.png", "c.png"])
    for name in ("disk", "elsewhere"):
        (tmp_path / name).mkdir()
    (tmp_path / "data").symlink_to(tmp_path / "disk")
    assert dataset(tmp_path / "data", photos, 3, "--radius", 30, 40) == 0
    data = DataFolder(tmp_path / "data")
    linked = data.originals, data.blurred / "disc-r40", data.blurred, data.manifest, data.rejected
    for number, path in enumerate(linked):
        path.rename(tmp_path / "elsewhere" / str(number))
        path.symlink_to(tmp_path / "elsewhere" / str(number))
    shutil.rmtree(data.sharp)
    data.sharp.symlink_to(photos)  # someone linked the photographs themselves there
    before = tree(photos), tree(tmp_path / "elsewhere")
    for more in (["--dry-run"], []):
        assert data.sharp.is_symlink()
        assert pipeline.main(["clean-pairs", "--data-dir", str(data.path), *more]) == 0
    assert (tree(photos), tree(tmp_path / "elsewhere")) == before
    assert data.path.is_symlink()
    left = {path.name for path in (tmp_path / "disk").iterdir()}
    assert left == {"originals", ".lock"}


# Parts of a data set, made by several machines: joined, they are what one machine makes.


def words_of(data_dir, photos, *more):
    return words_of_dataset(data_dir, photos, 10, "--radius", "10-40", "--workers", 1, *more)


def make(data_dir, photos, part=""):
    assert pipeline.main(words_of(data_dir, photos, *(["--part", part] if part else []))) == 0


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Twelve photographs, of which the third cannot be read, and what one machine makes of ten."""
    folder = tmp_path_factory.mktemp("whole")
    photos = write_photos(folder / "photos", [f"{number:02d}.png" for number in range(12)])
    (photos / "02.png").write_bytes(b"no photograph")
    make(folder / "data", photos)
    return photos, files_of(folder / "data")


def files_of(data_dir):
    """What a data folder holds, but for locks, and links and what is known of their photographs."""
    files = tree(data_dir).items()
    return {name: content for name, content in files if not name.startswith((".", "originals"))}


def test_parts_are_joined_to_what_one_machine_makes(tmp_path, whole, capsys):
    (photos, at_once), data_dir = whole, tmp_path / "data"
    for number in (3, 1, 2):
        make(data_dir, photos, f"{number}/3")
        make(data_dir, photos, f"{number}/3")
        assert f"part-{number}-of-3: " in capsys.readouterr().out
    assert not DataFolder(data_dir).manifest.exists()
    num_parts = [len(read_manifest(DataFolder(data_dir, Part(k, 3)).manifest)) for k in (1, 2, 3)]
    assert sum(num_parts) == 9  # one of the first ten cannot be read
    make(data_dir, photos)
    assert "3 parts are joined\n9 pairs are there, 1 to make" in capsys.readouterr().out
    assert files_of(data_dir) == at_once
    make(data_dir, photos, "1/1")  # what the whole has is not made again
    assert "part-1-of-1: 9 pairs are there, 1 to make" in capsys.readouterr().out
    make(data_dir, photos)
    assert files_of(data_dir) == at_once


def test_parts_run_at_the_same_time_and_one_may_be_killed(tmp_path, whole):
    (photos, at_once), data_dir = whole, tmp_path / "data"
    parts = [words_of(data_dir, photos, "--part", part) for part in ("1/2", "2/2")]
    command = [sys.executable, "pipeline.py"]
    running = [subprocess.Popen([*command, *words], cwd=ROOT) for words in parts]
    os.kill(running[1].pid, signal.SIGKILL)
    assert [process.wait(timeout=200) for process in running] == [0, -signal.SIGKILL]
    make(data_dir, photos, "2/2")
    make(data_dir, photos)
    assert files_of(data_dir) == at_once


class RayStandIn(SimpleNamespace):
    """Two machines of two cores, one after the other; the second part is lost as often as asked."""

    exceptions = SimpleNamespace(RayError=ChildProcessError)

    def remote(self, num_cpus):
        assert num_cpus == 1
        return lambda work: SimpleNamespace(remote=lambda *arguments: partial(work, *arguments))

    def get(self, tasks):
        if tasks[0].args[2].number == 2 and self.lost.pop():
            raise ChildProcessError("the node died")
        tasks[0]()


def test_ray_makes_all_parts_and_what_a_lost_one_lacks(tmp_path, whole, monkeypatch, capsys):
    (photos, at_once), node = whole, {"Alive": True, "Resources": {"CPU": 2.0}}
    ray = RayStandIn(lost=[False, True], nodes=lambda: [node, node, {"Alive": False}])
    ray.init, ray.shutdown = (lambda **_: None), (lambda: None)
    ray.wait = lambda tasks: (tasks[:1], tasks[1:])
    monkeypatch.setitem(sys.modules, "ray", ray)
    words = words_of(tmp_path / "data", photos, "--engine", "ray")
    assert pipeline.main(words) == 1
    said = capsys.readouterr()
    assert "4 parts on 2 machines" in said.out
    assert "error: a part is not made (the node died); run the same" in said.err
    assert pipeline.main(words) == 0
    assert files_of(tmp_path / "data") == at_once


def test_equal_photographs_of_two_parts_do_not_stand_on_both_sides_of_the_split(tmp_path, capsys):
    ids = [f"face{number}" for number in range(60)]
    first = next(i for i in ids if split_of(i) == "train" and Part(1, 2).holds(i))
    later = (i for i in ids if i > first and split_of(i) == "test")
    other = next(i for i in later if Part(2, 2).holds(i))
    photos = write_photos(tmp_path / "photos", [f"{i}.png" for i in [first, *map(str, range(9))]])
    shutil.copy(photos / f"{first}.png", photos / f"{other}.png")
    for part in ("1/2", "2/2"):
        words = words_of_dataset(tmp_path / "data", photos, 11, "--part", part)
        assert pipeline.main(words) == 0
    assert pipeline.main(words_of_dataset(tmp_path / "data", photos, 10)) == 0
    assert "10 pairs are there, 0 to make" in capsys.readouterr().out
    assert ids_of(tmp_path / "data") == {first, *map(str, range(9))}
    reason = f"same file as {first}, which is in the other set (training or test)"
    assert reasons_of(tmp_path / "data") == {other: reason}
    assert not list(tmp_path.rglob(f"{other}.jpg"))


def test_parts_and_the_whole_keep_each_other_out(tmp_path):
    with only_writer(tmp_path, "the first", "part-1-of-2"):
        with only_writer(tmp_path, "the second", "part-2-of-2"):
            pass
        for does, part in (("all", ""), ("again", "part-1-of-2")):
            refused = pytest.raises(PrepareError, match="the first")
            with refused, only_writer(tmp_path, does, part):
                pass
    with only_writer(tmp_path, "all"):
        pass


@pytest.mark.parametrize("text", ["0/8", "9/8", "2", "-1/8", "1/8/2"])
def test_part_that_there_is_not_is_refused(text, capsys):
    assert pipeline.main(["dataset", "--num-images", "1", f"--part={text}"]) == 2
    assert "expected a part such as 2/8" in capsys.readouterr().err


def test_clean_pairs_removes_records_of_parts(tmp_path, whole):
    make(tmp_path / "data", whole[0], "1/2")
    assert pipeline.main(["clean-pairs", "--data-dir", str(tmp_path / "data")]) == 0
    left = {path.name for path in (tmp_path / "data").iterdir()}
    assert not {name for name in left if "jsonl" in name}


# Work in processes: results in their order, no more than wanted, and nothing left behind.


def slept(number, seconds):
    time.sleep(seconds)
    return number, os.getpid()


def killed(number):
    os.kill(os.getpid(), signal.SIGKILL)


def test_results_come_in_order_and_no_more_is_pulled_than_can_be_wanted():
    pulled, done = [], []

    def items():
        for number in range(100):
            pulled.append(number)
            yield number, (number, 0.2 if number == 0 else 0.0)

    for item, _ in in_order(slept, items(), 2, lambda: 5 - len(done), LookupError):
        done.append(item)
    assert done == pulled == [0, 1, 2, 3, 4]


def test_killed_worker_is_told():
    with pytest.raises(PrepareError, match="WORKERS=1"):
        list(in_order(killed, [(0, (0,))], 2, lambda: 99, LookupError))


def test_workers_end_with_a_parent_that_is_killed():
    code = (
        "import sys; sys.path.insert(0, 'tests')\n"
        "from test_pairs import slept\n"
        "from prepare.workers import in_order\n"
        "for item, (_, pid) in in_order(slept, ((n, (n, 0.0)) for n in range(10**6)), 2,\n"
        "                               lambda: 10**6, LookupError):\n"
        "    print(pid, flush=True)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE) as parent:
        pids = {int(parent.stdout.readline()) for _ in range(50)}
        parent.kill()
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and any(Path(f"/proc/{pid}").exists() for pid in pids):
        time.sleep(0.05)
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
