"""One request: nothing private goes out, and the network's settings are respected."""

import http.server
import shutil
import ssl
import subprocess
import threading

import pytest
from helpers.ffhq_server import FfhqServer

from prepare.ffhq.google_drive import open_drive_file
from prepare.ffhq.request import Client, RefusedError, open_url
from prepare.ffhq.retry import RetryPolicy


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


class _Leading(http.server.BaseHTTPRequestHandler):
    """Answers with a redirect to the address behind `to=`, or with Drive's page of such a link."""

    def do_GET(self):
        place, _, address = self.path.partition("?to=")
        if place == "/page":
            self._send(200, f"<form id='download-form' action='{address}'></form>".encode(), {})
        elif address:
            self._send(302, b"", {"Location": address})
        else:
            self._send(200, b"secure", {"Content-Type": "application/octet-stream"})

    def _send(self, status, body, headers):
        self.send_response(status)
        for name, value in {"Content-Type": "text/html", **headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def https_url(tmp_path, monkeypatch):
    """A server whose certificate is trusted here."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the certificate")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    words = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    words += ["-subj", "/CN=localhost"]
    words += ["-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", certificate]
    subprocess.run(["openssl", *words], check=True, capture_output=True)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Leading)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"https://localhost:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_https_is_never_left(https_url, server, client):
    for opened, place in ((open_url, "/"), (open_drive_file, "/page")):
        url = f"{https_url}{place}?to={server.url}/plain/file.bin"
        with pytest.raises(RefusedError, match=r"leads away from HTTPS, to 127\.0\.0\.1") as raised:
            opened(client, url)
        assert "\n" not in str(raised.value)
    assert server.requests == []


def test_https_may_lead_to_https_and_http_to_both(https_url, server, client):
    with open_url(client, f"{https_url}/?to={https_url}/file") as response:
        assert response.content == b"secure"
    server.files["file.bin"] = b"bytes"
    with open_url(client, f"{server.url}/mirror/file.bin") as response:
        assert response.content == b"bytes"  # from another host, which it was led to
