"""One request: nothing private goes out, and the network's settings are respected."""

import pytest
from helpers.ffhq_server import FfhqServer

from prepare.http.request import Client, open_url
from prepare.http.retry import RetryPolicy


@pytest.fixture
def server():
    with FfhqServer({"file.bin": b"bytes"}) as server:
        yield server


@pytest.fixture
def client():
    with Client(RetryPolicy(num_attempts=1)) as client:
        yield client


def test_no_credentials_are_sent(client, server, tmp_path, monkeypatch):
    (tmp_path / "netrc").write_text("default login me password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    open_url(client, f"{server.url}/mirror/file.bin").close()
    assert len(server.headers) == 2
    assert not any("Authorization" in headers for headers in server.headers)


@pytest.mark.parametrize(("bundle", "verify"), [("", True), ("/ca.pem", "/ca.pem")])
def test_certificates_are_always_checked(monkeypatch, bundle, verify):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", bundle)
    with Client(RetryPolicy()) as client:
        assert client.session.verify == verify


def test_proxy_of_the_environment_is_used(client, server, monkeypatch):
    monkeypatch.setenv("http_proxy", server.url)
    open_url(client, "http://behind-the-proxy.invalid/plain/file.bin").close()
    assert server.headers[0]["Host"] == "behind-the-proxy.invalid"
