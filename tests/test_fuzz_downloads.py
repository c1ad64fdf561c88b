"""Whatever a host sends for metadata and tars: right images, or a reason; nothing outside."""

import shutil

import pytest
from helpers.ffhq_files import image_bytes, metadata_bytes, tar_bytes
from helpers.ffhq_server import METADATA, FfhqServer
from helpers.fuzz import TEXTS, damaged, fuzzed, odd_json
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from prepare import PrepareError
from prepare.ffhq.metadata import FfhqSettings
from prepare.ffhq.source import FfhqDownload

NUM_IMAGES = 3
METADATA_OF_ALL = metadata_bytes(NUM_IMAGES)
TAR = tar_bytes([(f"{n:05d}.webp", image_bytes(n, "WEBP")) for n in (2, 0, 1)])


@pytest.fixture(scope="module")
def server():
    images = {f"{number:05d}.png": image_bytes(number) for number in range(NUM_IMAGES)}
    with FfhqServer({METADATA: METADATA_OF_ALL, "00000.tar": TAR, **images}) as server:
        yield server


def fetch(server, folder, source):
    """Ids of the images that came; the only error is one with a reason.

    Drive's are right, byte for byte. The mirror's have no checksum: they open, at the right size.
    """
    settings = FfhqSettings(
        source=source,
        drive_url=server.url,
        mirror_url=f"{server.url}/mirror",
        num_attempts=2,
        backoff_s=0.001,
        read_timeout_s=2.0,
        deadline_s=4.0,
    )
    came = []
    try:
        download = FfhqDownload(settings, folder / "originals", NUM_IMAGES)
        for original in download.originals(report=str):
            if original.source == "drive":
                assert original.path.read_bytes() == image_bytes(int(original.id))
            with Image.open(original.path) as image:
                assert image.size == (1024, 1024)
            came.append(original.id)
    except PrepareError:
        pass  # some are missing, and it says which
    assert [entry.name for entry in folder.iterdir()] == ["originals"]
    shutil.rmtree(folder / "originals")
    return came


@fuzzed(40)
@given(content=st.one_of(damaged(METADATA_OF_ALL), odd_json(METADATA_OF_ALL), TEXTS))
def test_damaged_metadata_brings_right_images_or_none(server, tmp_path_factory, content):
    server.files[METADATA] = content
    fetch(server, tmp_path_factory.mktemp("metadata"), "drive")


@fuzzed(40)
@given(content=st.one_of(damaged(TAR), TEXTS))
def test_damaged_tar_brings_right_images_or_none(server, tmp_path_factory, content):
    server.files["00000.tar"] = content
    fetch(server, tmp_path_factory.mktemp("tar"), "mirror")


def test_undamaged_files_bring_all(server, tmp_path):
    server.files |= {METADATA: METADATA_OF_ALL, "00000.tar": TAR}
    for source in ("drive", "mirror"):
        assert sorted(fetch(server, tmp_path, source)) == ["00000", "00001", "00002"]
