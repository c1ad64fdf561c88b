"""Google Drive's addresses, and the pages that it shows in place of a file.

A file over about 100 MB answers with a form (#download-form) whose hidden inputs all go into the
next request. A refusal is a page too, with status 200, 403 or 404.
"""

import re
from html import unescape
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit

METADATA_DRIVE_ID = "16N0RV4fHI6joBuKbQAoG34V_cQk7vxSA"
QUOTA_PHRASES = (
    *("quota exceeded", "download quota", "too many users have viewed or downloaded"),
    *("view or download this file at this time", "automated queries", "unusual traffic"),
)
# Bounded, so that no page takes long: the tags of Drive's form have some 300 letters.
FORM = re.compile(r"<form[^>]{0,1000}id=[\"']download-form.*?(?:</form>|$)", re.DOTALL)
TAG = re.compile(r"<(?:form|input)\b[^>]{0,1000}>")
ATTRIBUTE = re.compile(r"([\w-]+)=([\"'])(.*?)\2")


def drive_file_url(base_url: str, file_id: str) -> str:
    """Address at which Drive offers a file."""
    return f"{base_url.rstrip('/')}/uc?export=download&id={file_id}"


def form_address(html: str, page_url: str) -> str | None:
    """Where a page leads that asks whether to download a file unchecked; None if it does not."""
    form = FORM.search(html)
    if form is None:
        return None
    tags = [
        {key: unescape(text) for key, _, text in ATTRIBUTE.findall(tag)}
        for tag in TAG.findall(form[0])
    ]
    try:
        action = urlsplit(urljoin(page_url, tags[0].get("action", "") if tags else ""))
    except ValueError:  # no address
        return None
    query = dict(parse_qsl(action.query))
    query |= {
        tag.get("name", ""): tag.get("value", "") for tag in tags if tag.get("type") == "hidden"
    }
    return action._replace(query=urlencode(query), fragment="").geturl()


def page_reason(html: str) -> str:
    """The reason for a page in place of a file: the quota, or the page's title."""
    words = " ".join(html.lower().split())
    if any(phrase in words for phrase in QUOTA_PHRASES):
        return "the download quota is used up"
    title = re.search(r"<title>([^<]{0,120})", html)
    return (
        f'sent a web page, not a file ("{" ".join(unescape(title[1]).split()) if title else ""}")'
    )
