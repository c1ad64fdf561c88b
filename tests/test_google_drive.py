"""Google Drive's pages, served by a server that plays Drive and its download host."""

import pytest
from helpers.ffhq_files import drive_id
from helpers.ffhq_server import METADATA, FfhqServer

from prepare.ffhq.google_drive import DriveQuotaError, drive_file_url, open_drive_file
from prepare.ffhq.metadata import METADATA_DRIVE_ID
from prepare.ffhq.request import Client, RefusedError, TransientError
from prepare.ffhq.retry import RetryPolicy

SMALL, BIG = b"a small file" * 100, b"a big file" * 1000


@pytest.fixture
def server():
    with FfhqServer({"00007.png": SMALL, METADATA: BIG}) as server:
        yield server


def read(server, file_id, start=0, end=None):
    with (
        Client(RetryPolicy(read_timeout_s=1.0)) as client,
        open_drive_file(client, drive_file_url(server.url, file_id), start, end) as response,
    ):
        return response.raw.read()


def test_small_file_comes_over_a_redirect_to_another_host(server):
    assert read(server, drive_id("00007")) == SMALL
    assert [headers["Host"].partition(":")[0] for headers in server.headers] == [
        "127.0.0.1",
        "localhost",
    ]


def test_big_file_comes_through_the_form_with_all_its_hidden_inputs(server):
    assert read(server, METADATA_DRIVE_ID) == BIG
    assert len(server.asked(METADATA)) == 1


def test_range_goes_through_the_pages(server):
    assert read(server, METADATA_DRIVE_ID, 100, 200) == BIG[100:200]
    assert read(server, drive_id("00007"), 1000) == SMALL[1000:]


@pytest.mark.parametrize("page", ["older-link", "script-link", "confirm"])
def test_page_in_front_of_a_file_is_gone_through(server, page):
    server.misbehave("00007.png", page)
    assert read(server, drive_id("00007")) == SMALL


def test_older_link_needs_the_cookie_of_its_page(server):
    server.misbehave("00007.png", "older-link")
    read(server, drive_id("00007"))
    assert "warned=1" in server.headers[-2]["Cookie"]


@pytest.mark.parametrize("page", ["quota", "quota-caption", "quota-403", "sorry"])
def test_quota_page_in_any_form_is_called_by_its_name(server, page):
    server.misbehave("00007.png", page)
    with pytest.raises(DriveQuotaError, match="the download quota is used up"):
        read(server, drive_id("00007"))


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("page", 'sent a web page, not a file ("Sign in - Google Accounts")'),
        ("404", '("no")'),
        ("403", '("no")'),
        ("loop", "redirects in a circle"),
    ],
)
def test_other_refusal_says_what_the_page_says(server, fault, reason):
    server.misbehave("00007.png", fault, for_ever=True)
    with pytest.raises(RefusedError) as refusal:
        read(server, drive_id("00007"))
    assert reason in refusal.value.reason
    assert not isinstance(refusal.value, DriveQuotaError)


def test_page_after_page_comes_to_an_end(server):
    server.misbehave("00007.png", "older-link", for_ever=True)
    with pytest.raises(RefusedError, match="5 pages and no file"):
        read(server, drive_id("00007"))
    assert len(server.asked("00007.png")) == 5


@pytest.mark.parametrize("fault", ["429", "500", "gone"])
def test_passing_trouble_is_left_to_the_caller(server, fault):
    server.misbehave("00007.png", fault)
    with pytest.raises(TransientError):
        read(server, drive_id("00007"))
