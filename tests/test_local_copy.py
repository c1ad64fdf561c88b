"""A copy of FFHQ that is already there."""

import pytest

from prepare.ffhq.local_copy import FfhqCopyError, ffhq_copy_originals, is_ffhq_copy


@pytest.fixture
def copy(tmp_path):
    for number in (0, 1, 3, 999, 1000, 69999):
        path = tmp_path / "images1024x1024" / f"{number // 1000:02d}000" / f"{number:05d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"not looked into")
    return tmp_path


def test_layout_is_recognized(copy, tmp_path):
    assert is_ffhq_copy(copy)
    assert is_ffhq_copy(copy / "images1024x1024")
    (tmp_path / "other" / "00000").mkdir(parents=True)
    (tmp_path / "other" / "00000" / "cat.png").touch()
    (tmp_path / "other" / "00042.png").touch()
    assert not is_ffhq_copy(tmp_path / "other")
    assert not is_ffhq_copy(tmp_path / "nowhere")


@pytest.mark.parametrize("inside", ["", "images1024x1024"])
def test_files_are_used_where_they_lie(copy, inside):
    originals = list(ffhq_copy_originals(copy / inside, 4))
    assert [original.id for original in originals] == ["00000", "00001", "00003", "00999"]
    path = copy / "images1024x1024" / "00000" / "00003.png"
    assert (originals[2].path, originals[2].source) == (path, "folder")


def test_chosen_ids_and_those_already_made(copy):
    originals = ffhq_copy_originals(copy, 9, ids="999-1000,69999", done_ids={"01000"})
    assert [original.id for original in originals] == ["00999", "69999"]


@pytest.mark.parametrize(("ids", "found"), [(None, "6 of the 7"), ("0-2", "2 of the 3")])
def test_what_a_copy_lacks_is_said_after_what_it_has(copy, ids, found):
    num_there = int(found.partition(" ")[0])
    came = []
    watched = (came.append(original.id) for original in ffhq_copy_originals(copy, 7, ids))
    with pytest.raises(FfhqCopyError, match=f"holds {found} images wanted"):
        list(watched)
    assert came == ["00000", "00001", "00003", "00999", "01000", "69999"][:num_there]
    assert [original.id for original in ffhq_copy_originals(copy, 2)] == ["00000", "00001"]
