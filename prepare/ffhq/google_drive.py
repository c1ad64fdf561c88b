"""Opens files on Google Drive, past the pages it shows in front of them.

A file over about 100 MB answers with a form (#download-form) whose hidden inputs all go into the
next request; older pages hold a link (/uc?export=download&confirm=...) or a "downloadUrl" in a
script; a refusal is a page too, with status 200, 403 or 404.
"""

import json
import re
from html.parser import HTMLParser
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit

import requests

from prepare.ffhq.request import (
    Client,
    RefusedError,
    check_no_downgrade,
    is_web_page,
    open_url,
    read_page,
)

_MAX_PAGES = 5
_QUOTA_WORDS = (
    "quota exceeded",
    "too many users have viewed or downloaded",
    "view or download this file at this time",
    "download quota for this file",
    "automated queries",
    "unusual traffic",
)


class DriveQuotaError(RefusedError):
    """Google Drive refuses because it was asked too often: for this file, or from this address."""


def drive_file_url(base_url: str, file_id: str) -> str:
    """Address at which Drive offers a file."""
    return f"{base_url.rstrip('/')}/uc?export=download&id={file_id}"


def open_drive_file(
    client: Client, url: str, start: int = 0, end: int | None = None
) -> requests.Response:
    """Response whose body is the file itself: `open_url`, with Drive's pages gone through.

    Raises:
        DriveQuotaError: if Drive says that it was asked too often.
        RefusedError: if it refuses for another reason, or shows page after page.
        TransientError: as `open_url`.
    """
    address = url
    for _ in range(_MAX_PAGES):
        try:
            response = open_url(client, address, start, end)
        except RefusedError as error:
            if error.page:
                raise _refusal(url, _Page(error.page), error.status) from error
            raise
        if not is_web_page(response):
            return response
        with response:
            page = _Page(read_page(client, response))
            next_address = page.next_address(response.url)
            if next_address is None:
                raise _refusal(url, page, response.status_code)
            check_no_downgrade(response.url, next_address)
            address = next_address
    raise RefusedError(url, f"Google Drive showed {_MAX_PAGES} pages and no file")


def _refusal(url: str, page: "_Page", status: int | None) -> RefusedError:
    words = " ".join(page.text.split())
    if any(phrase in words.lower().replace("\u2019", "'") for phrase in _QUOTA_WORDS):
        return DriveQuotaError(url, "the download quota is used up", status)
    says = " ".join((page.error or page.title or words).split())[:120] or "an empty page"
    return RefusedError(url, f'sent a web page, not a file ("{says}")', status)


class _Page(HTMLParser):
    """What matters of one of Drive's pages."""

    def __init__(self, html: str):
        super().__init__()
        self.html, self.title, self.text, self.error = html, "", "", ""
        self.form_action: str | None = None
        self.form_inputs: list[tuple[str, str]] = []
        self.link: str | None = None
        self._inside = ""  # the element whose text is being read
        self._in_form = False
        self.feed(html)
        self.close()

    def next_address(self, page_url: str) -> str | None:
        """Where the page leads on to, or None if it does not."""
        script_url = re.search(r'"downloadUrl":("(?:[^"\\]|\\.)+")', self.html)
        if self.form_action is not None:
            action = urlsplit(urljoin(page_url, self.form_action))
            query = dict(parse_qsl(action.query)) | dict(self.form_inputs)
            return action._replace(query=urlencode(query), fragment="").geturl()
        if self.link is not None:
            return urljoin(page_url, self.link)
        if script_url:
            try:
                return urljoin(page_url, json.loads(script_url[1]))
            except ValueError:
                return None
        return None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = {name: value or "" for name, value in attrs}
        self._inside = tag
        if tag == "form":
            self._in_form = names.get("id", "").replace("-", "").lower() == "downloadform"
            if self._in_form:
                self.form_action = names.get("action", "")
        elif tag == "input" and self._in_form:
            if names.get("type", "").lower() == "hidden" and names.get("name"):
                self.form_inputs.append((names["name"], names.get("value", "")))
        elif tag == "a" and re.match(r"[^?]*/uc\?(?:.*&)?export=download", names.get("href", "")):
            self.link = names["href"]
        if re.search(r"\buc-error-(sub)?caption\b", names.get("class", "")):
            self._inside = "error"

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""
        if tag == "form":
            self._in_form = False

    def handle_data(self, data: str) -> None:
        if self._inside == "title":
            self.title += data
        if self._inside == "error":
            self.error += data + " "
        if self._inside not in ("script", "style"):
            self.text += data + " "
