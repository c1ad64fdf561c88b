import hashlib
import itertools
import shutil

import numpy as np
import pytest
from helpers.pair_files import write_photos
from PIL import Image as PillowImage

from prepare.ffhq.metadata import FfhqSettings
from prepare.folder import (
    NoPhotographsError,
    changed_photographs,
    folder_originals,
    photographs_in,
)
from prepare.records.data_folder import DataFolder, ImageRecord
from prepare.sources import (
    MixedSourcesError,
    SourceSettings,
    check_same_source,
    originals_at_hand,
    originals_from,
    sample_originals,
)


def images_of(**sources):
    return {
        image_id: ImageRecord(image_id, "train", source, "0" * 64, 64, 64)
        for image_id, source in sources.items()
    }


def digest_of(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_photographs_are_found_in_subfolders_in_order_of_path(tmp_path):
    write_photos(tmp_path / "sub", ["a.png"])
    write_photos(tmp_path, ["c.PNG", "b.jpeg", "d.tiff", ".hidden.png"])
    (tmp_path / "notes.txt").write_text("no photograph")
    found = [str(path.relative_to(tmp_path)) for path in photographs_in(tmp_path)]
    assert found == ["b.jpeg", "c.PNG", "d.tiff", "sub/a.png"]


def test_folder_that_is_missing_or_empty_is_refused_by_name(tmp_path):
    with pytest.raises(NoPhotographsError, match=r"--from .*nowhere: no such folder"):
        photographs_in(tmp_path / "nowhere")
    with pytest.raises(NoPhotographsError, match=r"no photographs there .*\.png"):
        photographs_in(tmp_path)


def test_too_few_photographs_are_refused_before_any_work(tmp_path):
    folder = write_photos(tmp_path / "photos", ["a.png", "b.png"])
    originals = folder_originals(folder, tmp_path / "originals", 3, ())
    with pytest.raises(NoPhotographsError, match=r"asks for 3.*holds 2.*N=2"):
        next(originals)
    assert not (tmp_path / "originals").exists()


def test_photographs_are_linked_never_copied(tmp_path):
    folder = write_photos(tmp_path / "photos", ["b.png", "a.jpg"])
    originals = list(folder_originals(folder, tmp_path / "originals", 2, ()))
    assert [(each.id, each.source, each.problem) for each in originals] == [
        ("a", "folder", ""),
        ("b", "folder", ""),
    ]
    for each in originals:
        assert each.path.is_symlink()
        assert each.path.resolve() == folder / each.path.name


def test_link_leads_to_the_photograph_from_wherever_it_was_named(tmp_path, monkeypatch):
    write_photos(tmp_path / "photos", ["a.png"])
    monkeypatch.chdir(tmp_path / "photos")
    [original] = folder_originals(tmp_path / "photos" / ".." / "photos", tmp_path / "o", 1, ())
    monkeypatch.chdir(tmp_path)
    assert original.path.resolve() == tmp_path / "photos" / "a.png"


def test_what_is_there_is_not_offered_again(tmp_path):
    folder = write_photos(tmp_path / "photos", ["a.png", "b.png", "c.png"])
    list(folder_originals(folder, tmp_path / "originals", 2, ()))
    again = folder_originals(folder, tmp_path / "originals", 3, {"a", "b"})
    assert [each.id for each in again] == ["c"]


def test_photographs_that_moved_are_linked_again_and_those_that_changed_are_named(tmp_path):
    folder = write_photos(tmp_path / "photos", ["a.png", "b.png", "c.png"])
    originals_dir, ids = tmp_path / "originals" / "folder", {"a", "b", "c"}
    list(folder_originals(folder, originals_dir, 3, ()))
    images = {
        each: ImageRecord(each, "train", "folder", digest_of(folder / f"{each}.png"), 64, 64)
        for each in ids
    }

    class Data(DataFolder):
        def made_at_ns(self, _):
            return self.now_ns

    def changed(folder, made_at_ns, relink=True):
        Data.now_ns = made_at_ns
        return changed_photographs(folder, Data(tmp_path), images, ids, relink=relink)

    always, never = 0, 2**63
    assert changed(folder, always) == changed(folder, never) == set()
    shutil.copy(folder / "a.png", folder / "b.png")
    assert changed(folder, never) == set()  # by the clock it is older than its pair
    assert changed(folder, always) == {"b"}
    other = folder.rename(tmp_path / "other")
    (other / "c.png").rename(other / "c.PNG")
    assert changed(other, never, relink=False) == {"b"}
    assert not (originals_dir / "a.png").exists()
    assert changed(other, never) == {"b"}
    assert {path.name for path in originals_dir.iterdir()} == {"a.png", "b.png", "c.PNG"}
    assert all(path.resolve().parent == other for path in originals_dir.iterdir())
    assert changed(None, always) == changed(tmp_path / "nowhere", always) == set()


def test_second_photograph_of_one_id_is_a_problem_that_names_both(tmp_path):
    folder = write_photos(tmp_path / "photos", ["a.jpg", "a.png"])
    first, second = folder_originals(folder, tmp_path / "originals", 2, ())
    assert (first.id, first.problem) == ("a", "")
    assert second.id == "a"
    assert str(folder / "a.jpg") in second.problem
    assert second.path == folder / "a.png"


def test_an_id_is_a_whole_stem_not_the_beginning_of_another(tmp_path):
    names = ["face.crop.jpg", "face.jpg", "face[1].jpg", "face1.jpg"]
    folder, links = write_photos(tmp_path / "photos", names), tmp_path / "links"
    for _ in range(2):
        originals = list(folder_originals(folder, links, 4, ()))
        assert sorted(original.id for original in originals) == sorted(
            ["face", "face.crop", "face1", "face[1]"]
        )
        assert all(original.path.exists() for original in originals)
        assert sorted(path.name for path in links.iterdir()) == sorted(names)


def test_samples_are_drawn_when_asked_for_and_the_same_every_time(tmp_path):
    digests = []
    for name in ("one", "other"):
        for original in itertools.islice(sample_originals(tmp_path / name, 5, ()), 2):
            assert not original.path.exists()
            original.materialize()
            digests.append(hashlib.sha256(original.path.read_bytes()).hexdigest())
    assert digests[:2] == digests[2:]
    assert digests[0] != digests[1]
    with PillowImage.open(tmp_path / "one" / "sample-5-00001.png") as image:
        assert (image.size, image.mode) == ((1024, 1024), "RGB")


def test_sample_that_was_drawn_is_left_alone(tmp_path):
    original = next(sample_originals(tmp_path, 0, ()))
    original.path.write_bytes(b"as it is")
    original.materialize()
    assert original.path.read_bytes() == b"as it is"


def test_samples_go_on_after_those_that_are_there(tmp_path):
    done_ids = {"sample-0-00000", "sample-0-00002"}
    ids = [each.id for each in itertools.islice(sample_originals(tmp_path, 0, done_ids), 3)]
    assert ids == ["sample-0-00001", "sample-0-00003", "sample-0-00004"]


def test_folder_source_needs_a_folder(tmp_path):
    with pytest.raises(NoPhotographsError, match="SOURCE=folder needs FROM="):
        originals_from(SourceSettings("folder", 1, None, True, 0, FfhqSettings()), tmp_path, ())


def test_kinds_of_image_do_not_mix(tmp_path):
    images = images_of(a="folder", b="folder")
    check_same_source(images, tmp_path, "folder")
    with pytest.raises(MixedSourcesError, match=r"images from folder, now asked for sample"):
        check_same_source(images, tmp_path, "sample")
    check_same_source({}, tmp_path, "sample")
    check_same_source(
        images_of(a="drive", b="mirror"), tmp_path, "ffhq"
    )  # both carry the same photographs


def test_originals_at_hand_are_those_of_the_manifest(tmp_path):
    write_photos(tmp_path / "originals" / "folder", ["a.png", "b.JPG", "c.png", "stranger.png"])
    images = images_of(a="folder", b="folder", c="folder", gone="folder")
    at_hand = originals_at_hand(tmp_path / "originals", images, {"c"})
    assert {each.id: bool(each.problem) for each in at_hand} == {
        "a": False,
        "b": False,
        "gone": True,
    }
    assert at_hand[0].path == tmp_path / "originals" / "folder" / "a.png"


def test_originals_at_hand_may_lie_in_a_folder_that_is_linked_in(tmp_path):
    write_photos(tmp_path / "copy", ["00000.png"])
    (tmp_path / "originals" / "ffhq").mkdir(parents=True)
    (tmp_path / "originals" / "ffhq" / "images1024x1024").symlink_to(tmp_path / "copy")
    images = images_of(**{"00000": "drive"})
    [original] = originals_at_hand(tmp_path / "originals", images, ())
    assert original.problem == ""


def test_photographs_stay_as_they_are(tmp_path):
    folder = write_photos(tmp_path / "photos", ["a.png"])
    before = np.asarray(PillowImage.open(folder / "a.png"))
    list(folder_originals(folder, tmp_path / "originals", 1, ()))
    shutil.rmtree(tmp_path / "originals")
    np.testing.assert_array_equal(PillowImage.open(folder / "a.png"), before)
