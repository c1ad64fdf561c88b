"""Which settings a blurred set records, and that no folder mixes two."""

import json
from dataclasses import asdict

import pytest
from helpers.pair_files import photo_u8, tree, write_jpeg
from helpers.pair_writing import BLURS, SETTINGS, sets_of

from prepare import PrepareError
from prepare.records.blur import LensBlur, OutputSettings
from prepare.records.data_folder import DataFolder
from prepare.sets import MixedSettingsError, write_kernel_records


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
        with pytest.raises(PrepareError, match=r"kernel\.json is damaged .*make clean-pairs"):
            write_kernel_records(DataFolder(tmp_path), sets_of(BLURS[:1], SETTINGS))


def test_dry_run_claims_nothing(tmp_path):
    write_kernel_records(DataFolder(tmp_path), sets_of(BLURS, SETTINGS), dry_run=True)
    assert not (tmp_path / "blurred_resized").exists()
