import numpy as np
import pytest
from helpers.pair_files import photo_u8, read_lines, tree, write_photos
from helpers.pair_writing import BLURS, originals_of, write
from PIL import Image as PillowImage

from prepare import PrepareError
from prepare.originals import Original
from prepare.records.blur import LensBlur
from prepare.records.data_folder import DataFolder, read_manifest, split_of
from prepare.sets import complete_ids


@pytest.fixture
def originals(tmp_path):
    return originals_of(tmp_path / "photos", [f"{index:05d}.png" for index in range(7)])


def complete(path, blurs):
    return complete_ids(read_manifest(path / "manifest.jsonl"), DataFolder(path), blurs)


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


def test_source_that_fails_does_so_after_what_it_gave_was_made(tmp_path, originals):
    def source():
        yield from originals[:3]
        raise PrepareError("the quota is used up")

    with pytest.raises(PrepareError, match="quota"):
        write(tmp_path, source(), 7)
    assert sorted(read_manifest(tmp_path / "manifest.jsonl")) == ["00000", "00001", "00002"]
    assert complete(tmp_path, BLURS) == {"00000", "00001", "00002"}


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
    assert complete(tmp_path, BLURS) == {"00000"}
    assert write(tmp_path, originals[1:2]) == 1
    assert path.read_bytes() == content


def test_pair_that_is_not_in_the_manifest_is_not_complete(tmp_path, originals):
    write(tmp_path, originals[:2])
    (tmp_path / "manifest.jsonl").unlink()
    assert complete(tmp_path, BLURS) == set()


def test_changed_original_takes_its_old_copies_away(tmp_path, originals):
    write(tmp_path, originals[:2])
    PillowImage.fromarray(photo_u8(99)).save(originals[0].path)
    write(tmp_path, originals[:1], blurs=BLURS[:1])
    assert complete(tmp_path, BLURS[:1]) == {"00000", "00001"}
    assert complete(tmp_path, BLURS) == {"00001"}  # no stale second copy


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
    monkeypatch.setattr("prepare.pair_records.SAVE_EVERY", 2)
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
