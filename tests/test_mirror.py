"""Single images out of the mirror's tars, which are read as a stream."""

import io
import tarfile
import tracemalloc

import pytest
from helpers.ffhq_server import FfhqServer, image_bytes, tar_bytes

from prepare.ffhq.download import Client, DownloadError
from prepare.ffhq.local_copy import VerifiedFiles
from prepare.ffhq.metadata import FfhqSettings
from prepare.ffhq.mirror import fetch_from_tar, mirror_bytes

QUICK = FfhqSettings(num_attempts=3, backoff_s=0.005, read_timeout_s=0.3, deadline_s=3.0)
ORDER = (7, 3, 12, 0, 9, 5, 1, 8)  # a tar's members are in no order


def webp(number):
    return image_bytes(number, "WEBP")


def members(numbers=ORDER):
    return [(f"{number:05d}.webp", webp(number)) for number in numbers]


@pytest.fixture
def server():
    with FfhqServer({"00000.tar": tar_bytes(members())}) as server:
        yield server


def fetch(server, folder, *numbers):
    """Ids of the images that came."""
    ids = [f"{number:05d}" for number in numbers]
    came = []
    url, files = f"{server.url}/mirror", VerifiedFiles(folder)
    for original in fetch_from_tar(Client(QUICK), url, files, ids):
        assert original.source == "mirror"
        assert original.path.read_bytes() == webp(int(original.id))
        came.append(original.id)
    return came


def files(folder):
    return sorted(path.name for path in folder.glob("images1024x1024/*/*"))


def span(server, number):
    """Where a member lies in the tar."""
    with tarfile.open(fileobj=io.BytesIO(server.files["00000.tar"])) as tar:
        member = tar.getmember(f"{number:05d}.webp")
    return member.offset, member.offset_data + (member.size + 511) // 512 * 512


def test_wanted_members_come_in_the_order_of_the_tar_and_reading_ends(server, tmp_path):
    server.delay_s = 0.02  # per 4 KiB
    assert fetch(server, tmp_path, 0, 3) == ["00003", "00000"]
    assert files(tmp_path) == ["00000.webp", "00003.webp"]
    assert server.asked("00000.tar")[0].num_bytes < len(server.files["00000.tar"])


def test_later_run_asks_for_the_bytes_it_lacks(server, tmp_path):
    fetch(server, tmp_path, 3, 0)
    assert fetch(server, tmp_path, 7, 12, 9, 1) == ["00007", "00012", "00009", "00001"]
    asked = [(request.start, request.end) for request in server.asked("00000.tar")[1:]]
    rest = (span(server, 9)[0], len(server.files["00000.tar"]))
    assert asked == [span(server, 7), span(server, 12), rest]


def test_index_of_a_tar_that_has_changed_is_dropped(server, tmp_path):
    fetch(server, tmp_path, 3)
    server.files["00000.tar"] = tar_bytes([("note.txt", bytes(15 << 10)), *members()])
    with pytest.raises(DownloadError, match="the archive is cut off, or is no archive"):
        fetch(server, tmp_path, 8)
    assert fetch(server, tmp_path, 8) == ["00008"]


def test_torn_and_odd_index_costs_no_image(server, tmp_path):
    fetch(server, tmp_path, 3, 0)
    index = tmp_path / "mirror" / "00000.tar.index.jsonl"
    odd = f'{{"url": "{server.url}/mirror/00000.tar", "offset": 1e999, "end": 1e999}}'
    index.write_text(f"{odd}\n{'[' * 100_000}\n{index.read_text()[:-30]}")
    assert fetch(server, tmp_path, 9, 8) == ["00009", "00008"]
    assert server.asked("00000.tar")[-1].start == span(server, 0)[0]
    assert fetch(server, tmp_path, 5) == ["00005"]


def test_bytes_that_will_be_read_are_known_before(server, tmp_path):
    """Of k images in no order the last is to be expected at k / (k + 1) of a tar of 0.96 GB."""
    tar_bytes, url = 960_000_000, f"{server.url}/mirror"
    few = [f"{number:05d}" for number in range(19)]
    assert mirror_bytes(url, [*few, "01000"], tmp_path) == tar_bytes * 19 // 20 + tar_bytes // 2
    fetch(server, tmp_path, 0)
    start, end = span(server, 12)  # its place is known
    rest = tar_bytes - span(server, 0)[1]
    assert mirror_bytes(url, ["00012", "00005"], tmp_path) == end - start + rest // 2
    assert mirror_bytes("https://host/{id}.webp", few, tmp_path) == 19 * 960_000


def test_password_of_the_mirror_is_not_kept(server, tmp_path):
    url = f"{server.url}/mirror".replace("//", "//me:secret@")
    assert len(list(fetch_from_tar(Client(QUICK), url, VerifiedFiles(tmp_path), ["00003"]))) == 1
    assert "Authorization" in server.headers[0]
    assert "Authorization" not in server.headers[1]  # of another host, which it was led to
    kept = [path.read_bytes() for path in tmp_path.rglob("*.jsonl")]
    assert len(kept) == 2
    assert not any(b"secret" in content for content in kept)
    assert fetch(server, tmp_path, 7) == ["00007"]
    assert server.asked("00000.tar")[-1].start == span(server, 7)[0]


def test_strange_members_touch_nothing(server, tmp_path):
    names = ["../../x", "../../00003.webp", "/00003.webp", "00003.webp/00003.webp", "3.webp"]
    strange = [(name, webp(3)) for name in names]
    links = {"00003.webp": "/etc/passwd", "images1024x1024": "/etc"}
    server.files["00000.tar"] = tar_bytes([*strange, *members()], links)
    folder = tmp_path / "a" / "b"
    assert fetch(server, folder, 3, 0) == ["00003", "00000"]
    assert not (tmp_path / "x").exists()
    assert files(folder) == ["00000.webp", "00003.webp"]
    assert not any(path.is_symlink() for path in tmp_path.rglob("*"))


def test_truncated_tar_keeps_what_came_before(server, tmp_path):
    server.files["00000.tar"] = server.files["00000.tar"][: span(server, 0)[1] - 700]
    with pytest.raises(DownloadError, match="the archive is cut off"):
        fetch(server, tmp_path, 7, 0)
    assert files(tmp_path) == ["00007.webp"]
    server.files["00000.tar"] = tar_bytes(members())
    assert fetch(server, tmp_path, 0) == ["00000"]


def test_wrong_member_is_named_and_not_kept(server, tmp_path):
    wrong = ("00003.webp", image_bytes(3, "WEBP", 512))
    server.files["00000.tar"] = tar_bytes([wrong, *members([0])])
    with pytest.raises(DownloadError, match=r"00003\.webp is 512x512, expected 1024x1024"):
        fetch(server, tmp_path, 3, 0)
    assert files(tmp_path) == ["00000.webp"]


def header(size, kind):
    """A tar's header that claims a size."""
    member = tarfile.TarInfo("x")
    member.size, member.type = size, kind
    return member.tobuf(tarfile.GNU_FORMAT)


NO_TAR = "the archive is cut off, or is no archive"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", NO_TAR),
        (b"<html>no tar</html>", NO_TAR),
        (bytes(10240), r"00000\.tar lacks 1 images \(00003\)"),
        *((header(7 << 30, kind) + bytes(8 << 20), NO_TAR) for kind in (b"0", b"S", b"x", b"L")),
    ],
)
def test_file_that_is_no_tar_of_images(server, tmp_path, body, reason):
    server.files["00000.tar"] = body
    tracemalloc.start()
    with pytest.raises(DownloadError, match=reason):
        fetch(server, tmp_path, 3)
    assert tracemalloc.get_traced_memory()[1] < 4 << 20  # whatever it claims
    tracemalloc.stop()
    assert files(tmp_path) == []
