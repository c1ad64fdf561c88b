"""Which requests are answered: those of the page itself, in a browser of this machine.

Another page in the same browser may send requests here, too. It knows neither the key in the
address nor the token of the page, and its browser tells its origin.
"""

import json
import secrets
from collections.abc import Mapping
from email.message import Message
from http import HTTPStatus
from io import BufferedIOBase
from typing import Any
from urllib.parse import unquote, urlsplit

from train.studio import Refused

Headers = Message | Mapping[str, str]

HOSTS = ("127.0.0.1", "localhost", "[::1]")  # any port, as one may be forwarded to here
TOKEN = "X-Studio-Token"
LINK = ("navigate", "document")  # mode and destination of a click on one
MOST_JSON_BYTES = 1 << 16

PAGE_POLICY = (
    "default-src 'none'; img-src 'self' data:; style-src 'self'; script-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
# Pages of runs hold their own style and script, and are kept apart from this one.
RUN_POLICY = (
    "sandbox allow-scripts; default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def check_sender(method: str, headers: Headers, token: str) -> None:
    """Refuses a request that another page or another machine's name led here.

    Args:
        method: "GET" or "POST".
        headers: of the request.
        token: that the page sends with whatever changes something.

    Raises:
        Refused: if the host is no name of this machine (a name that was bound anew to it, say),
            the origin is another, or a POST comes without the token.
    """
    host = headers.get("Host", "")
    if host.rpartition(":")[0] not in HOSTS and host not in HOSTS:
        raise Refused(HTTPStatus.FORBIDDEN, "only http://127.0.0.1 is answered")
    origin, site = headers.get("Origin"), headers.get("Sec-Fetch-Site", "same-origin")
    # A link may lead here from elsewhere, as it knows the key: from a terminal in a browser, say.
    is_link = (headers.get("Sec-Fetch-Mode"), headers.get("Sec-Fetch-Dest")) == LINK
    is_own = origin in (None, f"http://{host}") and (is_link or site in ("same-origin", "none"))
    if not is_own or (method == "POST" and (origin is None or is_link)):
        raise Refused(HTTPStatus.FORBIDDEN, "another page's request is not answered")
    if method == "POST" and not is_same(headers.get(TOKEN, ""), token):
        raise Refused(HTTPStatus.FORBIDDEN, "the page is of an earlier start; open it again")


def parts_of(target: str, key: str) -> tuple[list[str], str]:
    """The parts of an address behind the key, and its query.

    Raises:
        Refused: if it does not begin with the key.
    """
    address = urlsplit(target)
    first, *parts = [unquote(part) for part in address.path.lstrip("/").split("/")]
    if not is_same(first, key) or not parts:
        raise Refused(
            HTTPStatus.FORBIDDEN,
            "open the address that `make studio` printed, with all its letters",
        )
    return parts, address.query


def is_same(got: str, expected: str) -> bool:
    """Whether a secret is right, in a time that tells nothing of it."""
    return secrets.compare_digest(got.encode(errors="replace"), expected.encode())


def length_of(headers: Headers) -> int:
    """Bytes of a request's body.

    Raises:
        Refused: if it does not say.
    """
    text = headers.get("Content-Length", "")
    if not (text.isascii() and text.isdecimal()) or "Transfer-Encoding" in headers:
        raise Refused(HTTPStatus.LENGTH_REQUIRED, "a request has to tell its length")
    return int(text)


def read_json(headers: Headers, content: BufferedIOBase) -> dict[str, Any]:
    """The object in a request's body.

    Raises:
        Refused: if it is too large, or none.
    """
    length = length_of(headers)
    if length > MOST_JSON_BYTES:
        raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"{length} bytes of settings")
    try:
        values = json.loads(content.read(length))
    except (ValueError, RecursionError) as error:
        raise Refused(HTTPStatus.BAD_REQUEST, "no JSON") from error
    if not isinstance(values, dict):
        raise Refused(HTTPStatus.BAD_REQUEST, "no JSON object")
    return values


def share_in(values: Mapping[str, Any], name: str, default: float | None = None) -> float:
    """A number from 0 to 1 of a request; where it is not told, the default if there is one.

    Raises:
        Refused: if it is none.
    """
    value = values.get(name, default)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
        raise Refused(HTTPStatus.UNPROCESSABLE_ENTITY, f"{name} must be between 0 and 1")
    return float(value)
