"""Google Drive's pages, served by a server that plays Drive and its download host."""

import pytest
from helpers.ffhq_files import drive_id
from helpers.ffhq_server import METADATA, FfhqServer

from prepare.ffhq.download import Client, DownloadError, TransientError, open_file
from prepare.ffhq.google_drive import METADATA_DRIVE_ID, drive_file_url
from prepare.ffhq.metadata import FfhqSettings

SMALL, BIG = b"a small file" * 100, b"a big file" * 1000


@pytest.fixture
def server():
    with FfhqServer({"00007.png": SMALL, METADATA: BIG}) as server:
        yield server


def read(server, file_id, start=0, end=None):
    client, url = Client(FfhqSettings(read_timeout_s=1.0)), drive_file_url(server.url, file_id)
    with open_file(client, url, start, end) as response:
        return response.raw.read()


def test_small_file_comes_over_a_redirect_to_another_host(server):
    assert read(server, drive_id("00007"), 1000) == SMALL[1000:]
    hosts = [headers["Host"].partition(":")[0] for headers in server.headers]
    assert hosts == ["127.0.0.1", "localhost"]


def test_big_file_comes_through_the_form_with_all_its_hidden_inputs(server):
    assert read(server, METADATA_DRIVE_ID) == BIG
    assert len(server.asked(METADATA)) == 1
    assert read(server, METADATA_DRIVE_ID, 100, 200) == BIG[100:200]


def test_form_in_front_of_a_small_file_is_gone_through(server):
    server.misbehave("00007.png", "confirm")
    assert read(server, drive_id("00007")) == SMALL


@pytest.mark.parametrize("page", ["quota", "quota-caption", "quota-403", "sorry"])
def test_quota_page_in_any_form_is_called_by_its_name(server, page):
    server.misbehave("00007.png", page)
    with pytest.raises(DownloadError, match="the download quota is used up"):
        read(server, drive_id("00007"))


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("page", 'sent a web page, not a file ("Sign in - Google Accounts")'),
        ("404", "HTTP 404 Not Found"),
        ("nowhere", 'sent a web page, not a file ("")'),
        ("confirm-again", "showed 3 pages and no file"),
    ],
)
def test_other_refusal_says_what_the_page_says(server, fault, reason):
    server.misbehave("00007.png", fault, for_ever=True)
    with pytest.raises(DownloadError) as refusal:
        read(server, drive_id("00007"))
    assert refusal.value.reason == reason


@pytest.mark.parametrize("page", ["<form" * 10_000, "<form id='download-form'" + "<input " * 9000])
def test_no_page_takes_long(server, page):
    server.files["00007.png"] = page.encode()
    server.misbehave("00007.png", "as-page")
    with pytest.raises(DownloadError):
        read(server, drive_id("00007"))


@pytest.mark.parametrize("fault", ["429", "500", "gone"])
def test_passing_trouble_is_left_to_the_caller(server, fault):
    server.misbehave("00007.png", fault)
    with pytest.raises(TransientError):
        read(server, drive_id("00007"))
