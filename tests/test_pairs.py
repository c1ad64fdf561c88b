import json
from dataclasses import asdict

import numpy as np
import pytest
from helpers.pair_files import photo_u8, tree, write_jpeg, write_photos
from PIL import Image as PillowImage

from prepare import PrepareError
from prepare.originals import Original
from prepare.pairs import write_pairs
from prepare.records.blur_settings import LensBlur, OutputSettings
from prepare.records.data_folder import DataFolder
from prepare.records.manifest import read_lines, read_manifest, split_of
from prepare.sets import MixedSettingsError, SetSettings, complete_ids, write_kernel_records

BLURS = [LensBlur(30), LensBlur(60, blades=6)]
SETTINGS = OutputSettings(size=32)


def originals_of(folder, names, **problems):
    write_photos(folder, names)
    return [
        Original(stem, folder / name, "folder", problem=problems.get(stem, ""))
        for name in names
        for stem in [name.split(".")[0]]
    ]


def sets_of(blurs=BLURS, output=SETTINGS, workers=2, depth_dir=None):
    return SetSettings(blurs, output, workers, depth_dir)


def write(data_dir, originals, num_images=None, blurs=BLURS, workers=2, depth_dir=None, **more):
    num_images = len(originals) if num_images is None else num_images
    sets = sets_of(blurs, workers=workers, depth_dir=depth_dir)
    return write_pairs(originals, num_images, DataFolder(data_dir), sets, **more)


@pytest.fixture
def originals(tmp_path):
    return originals_of(tmp_path / "photos", [f"{index:05d}.png" for index in range(7)])


def test_every_original_has_a_sharp_and_a_blurred_half_by_its_name(tmp_path, originals):
    assert write(tmp_path, originals) == 7
    folders, names = DataFolder(tmp_path), {f"{index:05d}.jpg" for index in range(7)}
    for folder in (folders.sharp, *(folders.blurred / blur.name for blur in BLURS)):
        assert {path.name for path in folder.iterdir()} == names
        for path in folder.iterdir():
            with PillowImage.open(path) as image:
                assert (image.size, image.mode, image.format) == ((32, 32), "RGB", "JPEG")
                # 4:4:4: no component is sampled more coarsely than another.
                assert len({(h, v) for _, h, v, _ in image.layer}) == 1
    assert not list(tmp_path.rglob("*.part"))


def test_manifest_describes_the_originals(tmp_path):
    photos = write_photos(tmp_path / "photos", ["wide.png"], height=48, width=80)
    write(tmp_path, [Original("wide", photos / "wide.png", "folder")])
    image = read_manifest(tmp_path / "manifest.jsonl")["wide"]
    assert (image.width, image.height, image.source) == (80, 48, "folder")
    assert image.split == split_of("wide")
    assert len(image.sha256) == 64


def test_sharp_half_is_the_central_square_reduced(tmp_path):
    photo = photo_u8(3, 96, 160)
    (tmp_path / "photos").mkdir()
    PillowImage.fromarray(photo).save(tmp_path / "photos" / "a.png")
    write(tmp_path, [Original("a", tmp_path / "photos" / "a.png", "folder")])
    square = photo[:, 32:128].astype(float)
    blocks = square.reshape(32, 3, 32, 3, 3).mean((1, 3))
    sharp = np.asarray(PillowImage.open(tmp_path / "not_blurred_resized" / "a.jpg")).astype(float)
    assert np.abs(sharp - blocks).mean() < 2  # what JPEG costs at quality 95


def test_blurred_half_keeps_the_mean_and_loses_detail(tmp_path, originals):
    write(tmp_path, originals[:1])
    sharp, *blurred = (
        np.asarray(PillowImage.open(folder / "00000.jpg")).astype(float)
        for folder in (
            tmp_path / "not_blurred_resized",
            *(tmp_path / "blurred_resized" / b.name for b in BLURS),
        )
    )
    for each in blurred:
        assert abs(each.mean() - sharp.mean()) < 8  # borders are replicated, so not exactly
        assert np.abs(np.diff(each, axis=0)).mean() < np.abs(np.diff(sharp, axis=0)).mean()


def test_one_and_many_workers_write_the_same_bytes(tmp_path, originals):
    (tmp_path / "photos" / "00002.png").write_bytes(b"no PNG")
    for workers in (1, 2, 5):
        assert write(tmp_path / str(workers), originals, 5, workers=workers) == 5
    assert tree(tmp_path / "1") == tree(tmp_path / "2") == tree(tmp_path / "5")


def test_the_first_usable_originals_are_taken_and_no_more_are_asked_for(tmp_path):
    names = [f"{index:02d}.png" for index in range(10)]
    every = originals_of(tmp_path / "photos", names, **{"01": "is no face"})
    (tmp_path / "photos" / "03.png").write_bytes(
        (tmp_path / "photos" / "03.png").read_bytes()[:500]
    )
    asked = []
    source = (asked.append(each.id) or each for each in every)
    assert write(tmp_path, source, 4) == 4
    assert sorted(read_manifest(tmp_path / "manifest.jsonl")) == ["00", "02", "04", "05"]
    assert asked == ["00", "01", "02", "03", "04", "05"]
    rejected = {each["id"]: each for each in read_lines(tmp_path / "rejected.jsonl")}
    assert list(rejected) == ["01", "03"]
    assert rejected["01"]["reason"] == "is no face"
    assert rejected["03"]["file"] == str(tmp_path / "photos" / "03.png")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "no image"),
        (b"<html></html>", "no image"),
        (None, "cannot be opened (No such file or directory)"),
    ],
)
def test_file_that_cannot_be_read_is_listed_and_does_not_stop_the_rest(tmp_path, content, reason):
    originals = originals_of(tmp_path / "photos", ["a.png", "b.png", "c.png"])
    path = tmp_path / "photos" / "b.png"
    path.unlink() if content is None else path.write_bytes(content)
    assert write(tmp_path, originals) == 2
    [rejected] = read_lines(tmp_path / "rejected.jsonl")
    assert rejected["id"] == "b"
    assert reason in rejected["reason"]
    assert sorted(read_manifest(tmp_path / "manifest.jsonl")) == ["a", "c"]


def test_original_that_its_source_refuses_leaves_the_pair_of_its_id(tmp_path):
    [good] = originals_of(tmp_path / "photos", ["a.png"])
    taken = Original("a", tmp_path / "photos" / "a.bmp", "folder", problem="id a is taken")
    assert write(tmp_path, [good]) == 1
    assert write(tmp_path, [taken]) == 0
    assert complete_ids(DataFolder(tmp_path), BLURS) == {"a"}
    [rejected] = read_lines(tmp_path / "rejected.jsonl")
    assert rejected["reason"] == "id a is taken"


def test_photograph_smaller_than_the_pictures_is_refused_with_both_sizes(tmp_path):
    photos = write_photos(tmp_path / "photos", ["small.png"], height=31, width=100)
    assert write(tmp_path, [Original("small", photos / "small.png", "folder")]) == 0
    [rejected] = read_lines(tmp_path / "rejected.jsonl")
    assert rejected["reason"] == "is 100x31, smaller than the 32x32 that is written"


def test_photograph_of_the_size_that_is_written_is_used(tmp_path):
    photos = write_photos(tmp_path / "photos", ["small.png"], height=32, width=40)
    assert write(tmp_path, [Original("small", photos / "small.png", "folder")]) == 1


def test_file_that_was_mended_is_rejected_no_longer(tmp_path):
    originals = originals_of(tmp_path / "photos", ["a.png"])
    good = originals[0].path.read_bytes()
    originals[0].path.write_bytes(good[:300])
    assert write(tmp_path, originals) == 0
    originals[0].path.write_bytes(good)
    assert write(tmp_path, originals) == 1
    assert read_lines(tmp_path / "rejected.jsonl") == []


def test_original_that_became_unusable_is_forgotten_with_its_pictures(tmp_path):
    originals = originals_of(tmp_path / "photos", ["a.png", "b.png"])
    write(tmp_path, originals)
    originals[0].path.write_bytes(b"no PNG")
    assert write(tmp_path, originals[:1]) == 0
    assert list(read_manifest(tmp_path / "manifest.jsonl")) == ["b"]
    assert not list(tmp_path.rglob("a.jpg"))


def test_source_that_fails_does_so_after_what_it_gave_was_made(tmp_path, originals):
    def source():
        yield from originals[:3]
        raise PrepareError("the quota is used up")

    with pytest.raises(PrepareError, match="quota"):
        write(tmp_path, source(), 7)
    assert sorted(read_manifest(tmp_path / "manifest.jsonl")) == ["00000", "00001", "00002"]
    assert complete_ids(DataFolder(tmp_path), BLURS) == {"00000", "00001", "00002"}


def test_picture_that_cannot_be_written_is_an_os_error_and_the_rest_is_recorded(tmp_path):
    originals = originals_of(tmp_path / "photos", ["a.png", "b.png"])
    (tmp_path / "not_blurred_resized" / "b.jpg").mkdir(parents=True)
    with pytest.raises(OSError, match=r"b\.jpg"):
        write(tmp_path, originals, workers=1)
    assert sorted(read_manifest(tmp_path / "manifest.jsonl")) == ["a"]


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
    assert complete_ids(DataFolder(tmp_path), BLURS) == {"00000"}
    assert write(tmp_path, originals[1:2]) == 1
    assert path.read_bytes() == content


def test_pair_that_is_not_in_the_manifest_is_not_complete(tmp_path, originals):
    write(tmp_path, originals[:2])
    (tmp_path / "manifest.jsonl").unlink()
    assert complete_ids(DataFolder(tmp_path), BLURS) == set()


def test_changed_original_takes_its_old_copies_away(tmp_path, originals):
    write(tmp_path, originals[:2])
    PillowImage.fromarray(photo_u8(99)).save(originals[0].path)
    write(tmp_path, originals[:1], blurs=BLURS[:1])
    assert complete_ids(DataFolder(tmp_path), BLURS[:1]) == {"00000", "00001"}
    assert complete_ids(DataFolder(tmp_path), BLURS) == {"00001"}  # no stale second copy


def test_blur_alone_leaves_the_sharp_half_and_refuses_a_changed_original(tmp_path, originals):
    write(tmp_path, originals[:2], blurs=BLURS[:1])
    before = {
        path: path.stat().st_mtime_ns for path in (tmp_path / "not_blurred_resized").iterdir()
    }
    PillowImage.fromarray(photo_u8(99)).save(originals[0].path)
    assert write(tmp_path, originals[:2], blurs=BLURS[1:], keep_sharp=True) == 1
    assert {
        path: path.stat().st_mtime_ns for path in (tmp_path / "not_blurred_resized").iterdir()
    } == before
    [rejected] = read_lines(tmp_path / "rejected.jsonl")
    assert "changed since its sharp half" in rejected["reason"]


def test_depth_map_is_found_by_id_and_its_absence_is_a_reason(tmp_path, originals):
    (tmp_path / "depth").mkdir()
    PillowImage.new("L", (64, 64), 200).save(tmp_path / "depth" / "00000.png")
    blurs = [LensBlur(30, depth=True)]
    assert write(tmp_path, originals[:2], blurs=blurs, depth_dir=tmp_path / "depth") == 1
    [rejected] = read_lines(tmp_path / "rejected.jsonl")
    assert rejected["id"] == "00001"
    assert "no depth map" in rejected["reason"]


def test_manifest_is_saved_now_and_then(tmp_path, originals, monkeypatch):
    """A kill costs the records of so many images at most."""
    monkeypatch.setattr("prepare.pairs.SAVE_EVERY", 2)
    path, seen = tmp_path / "manifest.jsonl", []

    def watched():
        for original in originals:
            seen.append(len(read_manifest(path)))
            yield original

    assert write(tmp_path, watched(), num_images=7, workers=1) == 7
    assert seen == sorted(seen)
    assert seen[-1] >= 4
    assert len(read_manifest(path)) == 7


def test_each_image_has_its_own_depth_map(tmp_path):
    originals = originals_of(tmp_path / "photos", ["face.png"])
    [photograph] = write_photos(tmp_path / "photos", ["face.a.png"]).glob("face.a.png")
    originals.append(Original("face.a", photograph, "folder"))
    (tmp_path / "depth").mkdir()
    for stem, level in (("face", 0), ("face.a", 255)):  # in focus; far behind it
        depth = np.full((64, 64), level, np.uint8)
        PillowImage.fromarray(depth).save(tmp_path / "depth" / f"{stem}.png")
    blur = LensBlur(60, depth=True)
    assert write(tmp_path, originals, blurs=[blur], depth_dir=tmp_path / "depth") == 2
    for image_id, is_equal in (("face", True), ("face.a", False)):
        sharp, blurred = (
            np.asarray(PillowImage.open(path)).astype(int)
            for path in (
                DataFolder(tmp_path).sharp_path(image_id),
                DataFolder(tmp_path).blurred_path(blur.name, image_id),
            )
        )
        assert (np.abs(sharp - blurred).mean() < 3) == is_equal


def test_what_is_dropped_are_files_of_the_folder_never_links(tmp_path):
    [mine, _] = originals_of(tmp_path / "photos", ["a.png", "b.png"])
    link, fetched = tmp_path / "originals" / "a.png", tmp_path / "originals" / "b.png"
    link.parent.mkdir()
    link.symlink_to(mine.path)
    (tmp_path / "photos" / "b.png").rename(fetched)
    originals = [Original("a", link, "folder"), Original("b", fetched, "folder")]
    assert write(tmp_path, originals, drop_below=tmp_path / "originals") == 2
    assert link.is_symlink()
    assert mine.path.exists()
    assert not fetched.exists()


def test_set_records_its_settings(tmp_path):
    write_kernel_records(DataFolder(tmp_path), sets_of(BLURS, SETTINGS))
    for blur in BLURS:
        record = json.loads((tmp_path / "blurred_resized" / blur.name / "kernel.json").read_text())
        assert record.items() >= (asdict(blur) | asdict(SETTINGS)).items()
        assert record["kernel"] == blur.name


def test_set_with_a_range_of_radii_can_be_claimed_again(tmp_path):
    blurs = [LensBlur((10, 40))]
    write_kernel_records(DataFolder(tmp_path), sets_of(blurs, SETTINGS))
    write_jpeg(tmp_path / "blurred_resized" / "disc-r10-40" / "a.jpg", photo_u8(0))
    before = tree(tmp_path)
    write_kernel_records(DataFolder(tmp_path), sets_of(blurs, SETTINGS))
    assert tree(tmp_path) == before


@pytest.mark.parametrize("changed", [OutputSettings(size=64), OutputSettings(size=32, quality=90)])
def test_other_size_or_quality_is_refused_and_writes_nothing(tmp_path, changed):
    write_kernel_records(DataFolder(tmp_path), sets_of(BLURS[:1], SETTINGS))
    write_jpeg(tmp_path / "blurred_resized" / "disc-r30" / "a.jpg", photo_u8(0))
    before = tree(tmp_path)
    for blurs in (BLURS[:1], BLURS[1:]):
        with pytest.raises(MixedSettingsError, match=r"disc-r30 was made with .*now asked for"):
            write_kernel_records(DataFolder(tmp_path), sets_of(blurs, changed))
    assert tree(tmp_path) == before


def test_set_that_holds_no_picture_yet_can_be_claimed_with_other_settings(tmp_path):
    write_kernel_records(DataFolder(tmp_path), sets_of(BLURS[:1], SETTINGS))
    write_kernel_records(DataFolder(tmp_path), sets_of(BLURS[:1], OutputSettings(size=64)))


def test_set_blurred_elsewhere_is_in_nobodys_way(tmp_path):
    write_jpeg(tmp_path / "blurred_resized" / "photoshop" / "a.jpg", photo_u8(0))
    write_kernel_records(DataFolder(tmp_path), sets_of(BLURS[:1], SETTINGS))
    assert not (tmp_path / "blurred_resized" / "photoshop" / "kernel.json").exists()


def test_pictures_without_a_record_are_refused(tmp_path):
    write_jpeg(tmp_path / "blurred_resized" / "disc-r30" / "a.jpg", photo_u8(0))
    with pytest.raises(MixedSettingsError, match="unknown"):
        write_kernel_records(DataFolder(tmp_path), sets_of(BLURS[:1], SETTINGS))


def test_damaged_record_is_refused_by_name(tmp_path):
    write_kernel_records(DataFolder(tmp_path), sets_of(BLURS[:1], SETTINGS))
    path = tmp_path / "blurred_resized" / "disc-r30" / "kernel.json"
    for content in (path.read_bytes()[:50], b"", b"\xff", b"[]"):
        path.write_bytes(content)
        with pytest.raises(PrepareError, match=r"kernel\.json is damaged; .*make clean-pairs"):
            write_kernel_records(DataFolder(tmp_path), sets_of(BLURS[:1], SETTINGS))


def test_dry_run_claims_nothing(tmp_path):
    write_kernel_records(DataFolder(tmp_path), sets_of(BLURS, SETTINGS), dry_run=True)
    assert not (tmp_path / "blurred_resized").exists()
