"""FFHQ's files, made in code, and a real HTTP server on 127.0.0.1 that offers them.

It plays Google Drive, its download host and the mirror.

It misbehaves on request, and notes every request with the bytes it sent. Drive's download host and
the mirror's are reached as "localhost", so that redirects lead to another host.
"""

import functools
import hashlib
import http.server
import io
import json
import random
import socket
import sys
import tarfile
import threading
import time
from dataclasses import dataclass
from urllib.parse import parse_qs, quote, urlsplit

import numpy as np
from PIL import Image

METADATA = "ffhq-dataset-v2.json"
CHUNKED_FAULTS = ("chunked", "chunked-cut", "endless")
BODY_FAULTS = ("cut", "wrong", "stall", "slow", "no-range", "as-page", *CHUNKED_FAULTS)


@functools.cache
def image_bytes(number: int, image_format: str = "PNG", side_px: int = 1024) -> bytes:
    """A small file: one flat color, and a patch of noise that no other image has."""
    noise = np.random.default_rng(number)
    pixels = np.full((side_px, side_px, 3), noise.integers(256, size=3), np.uint8)
    patch = pixels[:64, :64]
    patch[:] = noise.integers(256, size=patch.shape)
    file = io.BytesIO()
    options = {"compress_level": 1} if image_format == "PNG" else {"lossless": True, "method": 0}
    Image.fromarray(pixels).save(file, image_format, **options)
    return file.getvalue()


def drive_id(image_id: str) -> str:
    return f"drive_id-of-{image_id}"


def metadata_bytes(num_images: int, image_bytes=image_bytes) -> bytes:
    """FFHQ's metadata for the first images: the same shape, and about as long an entry."""
    entries = {}
    for number in range(num_images):
        data, image_id = image_bytes(number), f"{number:05d}"
        license = {
            "photo_url": f"https://photos.example/{number}",
            "photo_title": 'A title, with "quotes"',
            "author": f"Author {number} \u00e9",
            "license": "Attribution License",
            "license_url": "https://creativecommons.org/licenses/by/2.0/",
        }
        image = {
            "file_url": f"https://drive.google.com/uc?id={drive_id(image_id)}",
            "file_path": f"images1024x1024/{image_id[:2]}000/{image_id}.png",
            "file_size": len(data),
            "file_md5": hashlib.md5(data).hexdigest(),
        }
        landmarks = {"face_landmarks": [[n + 0.5, n + 0.25] for n in range(180)]}
        entries[str(number)] = {"metadata": license, "image": image, "in_the_wild": landmarks}
    return json.dumps(entries).encode()


def tar_bytes(members: list[tuple[str, bytes]], links: dict[str, str] | None = None) -> bytes:
    """A tar of named files and, before them, symbolic links."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, target in (links or {}).items():
            link = tarfile.TarInfo(name)
            link.type, link.linkname = tarfile.SYMTYPE, target
            tar.addfile(link)
        for name, data in members:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return file.getvalue()


@dataclass
class Request:
    """One request for a file, and what was sent of its body."""

    name: str
    start: int = 0
    end: int | None = None
    fault: str = ""
    num_bytes: int = 0


class FfhqServer(http.server.ThreadingHTTPServer):
    """Serves `files` by name, at /uc (Drive), /mirror and /plain."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, files: dict[str, bytes]):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.faults, self.delay_s = files, {}, 0.0
        self.requests: list[Request] = []
        self.headers: list[dict[str, str]] = []
        self.closing = threading.Event()
        self.lock = threading.Lock()
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.other_url = f"http://localhost:{self.server_port}"

    def __enter__(self) -> "FfhqServer":
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_) -> None:
        self.closing.set()
        self.shutdown()
        self.server_close()

    def misbehave(self, name: str, *faults: str, for_ever: bool = False) -> None:
        self.faults[name] = (list(faults), for_ever)

    def asked(self, name: str) -> list[Request]:
        return [request for request in self.requests if request.name == name]

    def next_fault(self, name: str) -> str:
        with self.lock:
            faults, for_ever = self.faults.get(name, ([], False))
            if not faults:
                return ""
            return faults[0] if for_ever and len(faults) == 1 else faults.pop(0)

    def handle_error(self, request, client_address) -> None:
        """A client that goes away is part of the play."""


def drive_pages(download_url: str, file_id: str) -> dict[str, tuple[int, str]]:
    """Status and HTML of Drive's pages, as it shows them."""
    head, form = "<!DOCTYPE html><html><head>", "<input type='hidden' name='"
    viewed = "<p class='uc-error-subcaption'>Too many users have viewed or downloaded this file</p>"
    confirm = (
        f"{head}<title>Google Drive - Virus scan warning</title></head>"
        f'<form id="download-form" action="{download_url}" method="get">'
        f"<input type='submit' name='go' value='Download anyway'>{form}id' value='{file_id}'>"
        f"{form}export' value='download'>{form}confirm' value='t'>"
        f"{form}uuid' value='u-1&amp;2'>{form}at' value='a:3'></form>"
    )
    return {
        "quota": (200, f"{head}<title>Google Drive - Quota exceeded</title></head><p>Sorry"),
        "quota-403": (403, f"{head}<title>Google Drive</title></head>{viewed}"),
        "sorry": (403, f"{head}<title>Sorry...</title>... may be sending automated queries."),
        "page": (200, f"{head}<title>Sign in - Google Accounts</title>"),
        "confirm": (200, confirm),
    }


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: FfhqServer

    def log_message(self, *_) -> None:
        pass

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        self.server.headers.append(dict(self.headers))
        place, _, name = url.path.strip("/").partition("/")
        if place in ("uc", "download"):
            name = query.get("id", "").removeprefix("drive_id-of-") + ".png"
            if name.removesuffix(".png") not in (name[:5], ""):
                name = METADATA
        first_hop = place not in ("download", "cdn")
        fault = query.get("fault", "") or (self.server.next_fault(name) if first_hop else "")
        if name not in self.server.files:
            self.server.requests.append(Request(name, fault="404"))
            return self.answer(404, "<title>Error 404 (Not Found)!!1</title>")
        if fault and fault not in BODY_FAULTS:
            self.server.requests.append(Request(name, fault=fault))
            return self.refuse(fault, query.get("id", name))
        passed_on = f"&fault={fault}" if fault else ""
        if place == "uc" and name == METADATA:
            return self.refuse("confirm", query["id"])
        if place == "uc":
            where = f"/download?id={quote(query['id'])}{passed_on}"
            return self.answer(303, "", {"Location": self.server.other_url + where})
        if place == "mirror":
            where = f"/cdn/{name}?{passed_on}"
            return self.answer(302, "", {"Location": self.server.other_url + where})
        inputs = {"export": "download", "confirm": "t", "uuid": "u-1&2", "at": "a:3"}
        if place == "download" and name == METADATA and not inputs.items() <= query.items():
            return self.answer(400, "<title>Error 400</title>")
        return self.serve(name, self.server.files[name], fault)

    def refuse(self, fault: str, file_id: str) -> None:
        pages = drive_pages(f"{self.server.other_url}/download", file_id)
        if fault in pages:
            return self.answer(*pages[fault])
        if fault == "loop" or fault.startswith("to "):
            address = self.path if fault == "loop" else fault.removeprefix("to ")
            return self.answer(302, "", {"Location": address})
        if fault.startswith("form to "):
            address = fault.removeprefix("form to ")
            return self.answer(200, f"<form id='download-form' action='{address}'></form>")
        if fault in ("gone", "silent"):
            self.server.closing.wait(30 if fault == "silent" else 0)
            self.close_connection = True
            return None
        status, _, retry_after = fault.partition(" after ")
        return self.answer(int(status), "<h1>no</h1>", {"Retry-After": retry_after})

    def answer(self, status: int, html: str, headers: dict[str, str] | None = None) -> None:
        self.head(status, {"Content-Type": "text/html"} | (headers or {}), len(html.encode()))
        self.wfile.write(html.encode())

    def head(self, status: int, headers: dict[str, str], num_bytes: int) -> None:
        self.send_response(status)
        for name, value in headers.items():
            if value:
                self.send_header(name, value)
        self.send_header("Content-Length", str(num_bytes))
        self.end_headers()

    def serve(self, name: str, data: bytes, fault: str) -> None:
        asked = self.headers.get("Range", "").removeprefix("bytes=")
        start, end, status = 0, len(data), 200
        headers = {"Content-Type": "text/html" if fault == "as-page" else "image/png"}
        if fault == "wrong":
            data = image_bytes(99)  # whole, and of another photograph
        if fault in CHUNKED_FAULTS:
            return self.serve_chunked(Request(name, fault=fault), data)
        if asked and fault != "no-range":
            first, _, last = asked.partition("-")
            start, end = int(first), min(int(last) + 1 if last else len(data), len(data))
            if start >= len(data):
                return self.head(416, {"Content-Range": f"bytes */{len(data)}"}, 0)
            status, headers["Content-Range"] = 206, f"bytes {start}-{end - 1}/{len(data)}"
        body = memoryview(data)[start : min(end, len(data))]
        request = Request(name, start, end if asked else None, fault)
        self.server.requests.append(request)
        self.head(status, headers, len(body))
        stop = len(body) // 2 if fault in ("cut", "stall") else len(body)
        step = 1 if fault == "slow" else 4096 if self.server.delay_s else 1 << 18
        for position in range(0, stop, step):
            request.num_bytes = min(position + step, stop)
            self.wfile.write(body[position : request.num_bytes])
            time.sleep(0.02 if fault == "slow" else self.server.delay_s)
        if fault == "stall":
            self.server.closing.wait(30)
        if fault in ("cut", "stall"):
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
        return None

    def serve_chunked(self, request: Request, data: bytes) -> None:
        """The body without its length; without its end, or for ever, if so asked."""
        self.server.requests.append(request)
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        while not self.server.closing.is_set():
            body = data[: len(data) // 2] if request.fault == "chunked-cut" else data
            self.wfile.write(b"%x\r\n%b\r\n" % (len(body), body))
            request.num_bytes += len(body)
            if request.fault != "endless":
                break
        if request.fault == "chunked":
            self.wfile.write(b"0\r\n\r\n")
        else:
            self.close_connection = True


if __name__ == "__main__":
    # For benchmarks: serves files of noise under /plain/<number>, and prints its address.
    num_files, num_bytes = map(int, sys.argv[1:])
    noise = random.Random(0)
    server = FfhqServer({str(n): noise.randbytes(num_bytes) for n in range(num_files)})
    print(server.url, flush=True)
    server.serve_forever()
