"""FFHQ from wherever it can be had: what is kept, what is asked for again, what is said."""

import time

import pytest
from helpers.ffhq_files import image_bytes, metadata_bytes, tar_bytes
from helpers.ffhq_server import METADATA, FfhqServer

from prepare.ffhq.settings import FfhqSettings
from prepare.ffhq.source import FfhqError, ffhq_originals

NUM_IMAGES = 12
REFUSALS = ["403", "404", "quota", "quota-403", "sorry", "page"]


@pytest.fixture(scope="module")
def files():
    """Both hosts' files for the first images."""
    numbers = range(NUM_IMAGES)
    images = {f"{n:05d}.png": image_bytes(n) for n in numbers}
    members = [(f"{n:05d}.webp", image_bytes(n, "WEBP")) for n in reversed(numbers)]
    return {METADATA: metadata_bytes(NUM_IMAGES), "00000.tar": tar_bytes(members), **images}


@pytest.fixture
def server(files):
    with FfhqServer(dict(files)) as server:
        yield server


def settings(server, **changes):
    defaults = {
        "drive_url": server.url,
        "mirror_url": f"{server.url}/mirror",
        "connections": 4,
        "num_attempts": 3,
        "backoff_s": 0.005,
        "read_timeout_s": 0.3,
        "deadline_s": 3.0,
    }
    return FfhqSettings(**(defaults | changes))


def fetch(server, folder, num_images=NUM_IMAGES, done_ids=(), said=None, **changes):
    """Source by id of what came, each compared with what the server has."""
    say = (said if said is not None else []).append
    came = {}
    for original in ffhq_originals(settings(server, **changes), folder, num_images, done_ids, say):
        assert_right(original)
        came[original.id] = original.source
    return came


def assert_right(original):
    number = int(original.id)
    image_format = "WEBP" if original.source == "mirror" else "PNG"
    assert original.path.read_bytes() == image_bytes(number, image_format)
    suffix = ".webp" if original.source == "mirror" else ".png"
    assert original.path.parts[-4:] == (
        "ffhq",
        "images1024x1024",
        "00000",
        f"{number:05d}{suffix}",
    )


def ids(*numbers):
    return [f"{number:05d}" for number in numbers]


def num_requests(server):
    return len(server.headers)


def test_drive_gives_all_and_a_second_run_asks_for_nothing(server, tmp_path):
    assert fetch(server, tmp_path) == dict.fromkeys(ids(*range(NUM_IMAGES)), "drive")
    before = num_requests(server)
    assert fetch(server, tmp_path) == dict.fromkeys(ids(*range(NUM_IMAGES)), "drive")
    assert num_requests(server) == before
    licenses = (tmp_path / "ffhq" / "LICENSES.csv").read_text(encoding="utf-8")
    assert "Author 7 \u00e9" in licenses


def test_larger_n_fetches_only_the_new_ones(server, tmp_path):
    fetch(server, tmp_path, 5)
    fetch(server, tmp_path, 8)
    assert [len(server.asked(f"{n:05d}.png")) for n in range(9)] == [1] * 8 + [0]


def test_mirror_alone_needs_no_drive(server, tmp_path):
    assert fetch(server, tmp_path, source="mirror") == dict.fromkeys(
        ids(*range(NUM_IMAGES)), "mirror"
    )
    assert server.asked(METADATA) == []
    before = num_requests(server)
    fetch(server, tmp_path, source="mirror")
    assert num_requests(server) == before


def test_quota_turns_to_the_mirror_and_says_so_once(server, tmp_path):
    for number in range(3, NUM_IMAGES):
        server.misbehave(f"{number:05d}.png", "quota", for_ever=True)
    said = []
    came = fetch(server, tmp_path, said=said, connections=1)
    assert came == dict.fromkeys(ids(0, 1, 2), "drive") | dict.fromkeys(
        ids(*range(3, NUM_IMAGES)), "mirror"
    )
    host = server.url.removeprefix("http://")
    assert said == [
        f"Google Drive: the download quota is used up; 9 images are fetched from the mirror {host}"
    ]
    asked = [n for n in range(3, NUM_IMAGES) if server.asked(f"{n:05d}.png")]
    assert len(asked) == 3  # after that Drive is left in peace
    assert fetch(server, tmp_path) == came  # where each came from survives the run


def test_drive_alone_says_what_is_kept_and_what_is_missing(server, tmp_path):
    for number in range(3, NUM_IMAGES):
        server.misbehave(f"{number:05d}.png", "quota-403", for_ever=True)
    with pytest.raises(FfhqError) as error:
        fetch(server, tmp_path, source="drive", connections=1)
    assert str(error.value) == (
        f"3 of 12 images are kept in {tmp_path / 'ffhq'}, 9 are missing (00003 first): Google "
        "Drive: the download quota is used up; run the same command again later: it goes on from "
        "here, or take SOURCE=mirror"
    )
    server.faults.clear()
    assert len(fetch(server, tmp_path, source="drive")) == NUM_IMAGES
    assert [len(server.asked(f"{n:05d}.png")) for n in range(3)] == [1, 1, 1]


@pytest.mark.parametrize(
    "fault", [*REFUSALS, "500", "loop", "wrong", "short", "mislabeled", "cut", "stall", "gone"]
)
def test_one_image_that_drive_withholds_comes_from_the_mirror(server, tmp_path, fault):
    server.misbehave("00003.png", fault, for_ever=True)
    came = fetch(server, tmp_path)
    assert {image_id for image_id in came if came[image_id] == "mirror"} == {"00003"}
    assert len(came) == NUM_IMAGES


@pytest.mark.parametrize("fault", ["500", "429", "confirm", "cut", "wrong", "no-range", "gone"])
def test_one_image_in_passing_trouble_still_comes_from_drive(server, tmp_path, fault):
    server.misbehave("00003.png", fault)
    assert fetch(server, tmp_path) == dict.fromkeys(ids(*range(NUM_IMAGES)), "drive")


@pytest.mark.parametrize("fault", ["quota", "403", "404"])
def test_without_metadata_the_mirror_still_works(server, tmp_path, fault):
    server.misbehave(METADATA, fault, for_ever=True)
    said = []
    came = fetch(server, tmp_path, said=said)
    assert came == dict.fromkeys(ids(*range(NUM_IMAGES)), "mirror")
    assert said[0].startswith("FFHQ's metadata cannot be had")
    assert not (tmp_path / "ffhq" / "LICENSES.csv").exists()


def test_drive_alone_without_metadata_says_why(server, tmp_path):
    server.misbehave(METADATA, "quota", for_ever=True)
    with pytest.raises(
        FfhqError, match=r"0 of 12 .* FFHQ's metadata: the download quota is used up"
    ):
        fetch(server, tmp_path, source="drive")


def test_no_network_ends_soon_and_says_so(server, tmp_path):
    nowhere = {"drive_url": "http://127.0.0.1:9", "mirror_url": "http://127.0.0.1:9"}
    with pytest.raises(FfhqError, match=r"0 of 12 .* no connection"):
        fetch(server, tmp_path, **nowhere)


def test_metadata_that_ends_in_the_middle_leaves_the_rest_to_the_mirror(server, tmp_path, files):
    server.files[METADATA] = files[METADATA][: len(files[METADATA]) // 2]
    came = fetch(server, tmp_path)
    assert set(came.values()) == {"drive", "mirror"}
    assert len(came) == NUM_IMAGES


def test_both_failing_is_said_in_one_line(server, tmp_path):
    for number in range(NUM_IMAGES):
        server.misbehave(f"{number:05d}.png", "quota", for_ever=True)
    server.misbehave("00000.tar", "403", for_ever=True)
    with pytest.raises(FfhqError) as error:
        fetch(server, tmp_path)
    message = str(error.value)
    assert "\n" not in message
    assert "0 of 12 images are kept" in message
    assert "Google Drive: the download quota is used up" in message
    assert "the mirror: HTTP 403 Forbidden" in message


def test_changed_file_is_noticed_and_fetched_again(server, tmp_path):
    fetch(server, tmp_path, 4)
    folder = tmp_path / "ffhq" / "images1024x1024" / "00000"
    (folder / "00001.png").write_bytes(b"damaged")
    (folder / "00002.png").touch()  # another time, the same bytes
    (folder / "00003.png").unlink()
    assert len(fetch(server, tmp_path, 4)) == 4
    assert [len(server.asked(f"{n:05d}.png")) for n in range(4)] == [1, 2, 1, 2]


def test_lost_record_costs_a_check_not_a_download(server, tmp_path):
    fetch(server, tmp_path)
    (tmp_path / "ffhq" / "checked.jsonl").unlink()
    assert fetch(server, tmp_path) == dict.fromkeys(ids(*range(NUM_IMAGES)), "drive")
    assert all(len(server.asked(f"{n:05d}.png")) == 1 for n in range(NUM_IMAGES))


def test_images_already_made_are_not_wanted(server, tmp_path):
    assert set(fetch(server, tmp_path, 5, done_ids={"00000", "00003"})) == set(ids(1, 2, 4))
    assert fetch(server, tmp_path, 5, done_ids=set(ids(*range(5)))) == {}
    server.misbehave("00005.png", "404")
    with pytest.raises(FfhqError, match="5 of 6 images are kept"):
        fetch(server, tmp_path, 6, done_ids={"00000"}, source="drive")


def test_chosen_ids(server, tmp_path):
    assert list(fetch(server, tmp_path, 3, ids="9,2-7", connections=1)) == ids(9, 2, 3)


def test_templates(server, tmp_path, files):
    for number in range(NUM_IMAGES):
        server.files[f"{number:05d}.webp"] = image_bytes(number, "WEBP")
    changes = {
        "drive_url": server.url + "/plain/{id}.png",
        "mirror_url": server.url + "/plain/{id}.webp",
        "metadata_url": f"{server.url}/plain/{METADATA}",
    }
    server.misbehave("00003.png", "404")
    came = fetch(server, tmp_path, **changes)
    assert came == dict.fromkeys(ids(*range(NUM_IMAGES)), "drive") | {"00003": "mirror"}


def test_consumer_that_stops_early_is_obeyed_at_once(server, tmp_path):
    server.delay_s = 0.01
    for number in range(1, NUM_IMAGES):
        server.misbehave(f"{number:05d}.png", "silent", for_ever=True)
    originals = ffhq_originals(settings(server, read_timeout_s=30.0), tmp_path, NUM_IMAGES)
    assert next(originals).id == "00000"
    before = time.monotonic()
    originals.close()
    assert time.monotonic() - before < 0.5


def test_slow_consumer_is_not_run_away_from(server, tmp_path):
    originals = ffhq_originals(settings(server, connections=1), tmp_path, NUM_IMAGES)
    next(originals)
    time.sleep(0.5)
    assert len(list((tmp_path / "ffhq").glob("*/*/*.png"))) <= 5
    assert len(list(originals)) == NUM_IMAGES - 1
