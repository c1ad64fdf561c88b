"""A real browser for tests: Chromium without a window, driven by its own driver over HTTP."""

import json
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # W3C WebDriver's name for a reference
ARROW_RIGHT = "\ue014"


def browser_is_installed() -> bool:
    """Whether Chromium and its driver are there, as Debian's packages or by other means."""
    return bool(_chromium() and shutil.which("chromedriver"))


def _chromium() -> str | None:
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    return next(filter(None, map(shutil.which, names)), None)


class Browser:
    """One window; a context manager that ends the browser it began."""

    def __init__(self, width: int = 1000, height: int = 900, phone: bool = False) -> None:
        self.process = subprocess.Popen(
            [shutil.which("chromedriver"), "--port=0"], stdout=subprocess.PIPE, text=True
        )
        for line in self.process.stdout:
            if "on port" in line and "started" in line:
                self.url = f"http://127.0.0.1:{line.rsplit(' ', 1)[1].strip().rstrip('.')}"
                break
        arguments = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        arguments.append(f"--window-size={width},{height}")
        options: dict = {"binary": _chromium(), "args": arguments}
        if phone:  # a window is never as narrow as that
            metrics = {"width": width, "height": height, "pixelRatio": 2.0, "touch": True}
            options["mobileEmulation"] = {"deviceMetrics": metrics}
        wanted = {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
        answer = self._call("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})
        self.session = f"/session/{answer['sessionId']}"

    def __enter__(self) -> "Browser":
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._call("DELETE", self.session)
        finally:
            self.process.terminate()
            self.process.wait(10)
            self.process.stdout.close()

    def open(self, page: Path | str) -> None:
        """Opens a file or an address and waits until it is loaded."""
        url = page if isinstance(page, str) else page.resolve().as_uri()
        self._call("POST", f"{self.session}/url", {"url": url})
        time.sleep(0.1)

    def wait_for(self, script: str, seconds: float = 60) -> object:
        """The value of a script in the page, once that is anything that counts as true."""
        until = time.monotonic() + seconds
        while not (value := self.run(script)):
            assert time.monotonic() < until, script
            time.sleep(0.05)
        return value

    def run(self, script: str) -> object:
        """The value a script returns in the page."""
        body = {"script": script, "args": []}
        return self._call("POST", f"{self.session}/execute/sync", body)

    def click(self, selector: str) -> None:
        """Clicks the middle of an element with the mouse."""
        self._call("POST", f"{self._element(selector)}/click", {})

    def press(self, selector: str, key: str) -> None:
        """Types a key into an element."""
        self._call("POST", f"{self._element(selector)}/value", {"text": key})

    def drag(self, selector: str, right_px: int, kind: str = "mouse") -> None:
        """Drags from an element's middle to the right, with the mouse or a finger ("touch")."""
        element = {ELEMENT: self._element(selector).rsplit("/", 1)[1]}
        steps = [
            {"type": "pointerMove", "origin": element, "x": 0, "y": 0},
            {"type": "pointerDown", "button": 0},
            {"type": "pointerMove", "origin": element, "x": right_px, "y": 0, "duration": 50},
            {"type": "pointerUp", "button": 0},
        ]
        pointer = {"type": "pointer", "id": kind, "parameters": {"pointerType": kind}}
        body = {"actions": [pointer | {"actions": steps}]}
        self._call("POST", f"{self.session}/actions", body)

    def complaints(self) -> list[str]:
        """Errors and warnings of the console since the last call."""
        entries = self._call("POST", f"{self.session}/se/log", {"type": "browser"})
        return [each["message"] for each in entries if each["level"] in ("SEVERE", "WARNING")]

    def _element(self, selector: str) -> str:
        body = {"using": "css selector", "value": selector}
        found = self._call("POST", f"{self.session}/element", body)
        return f"{self.session}/element/{found[ELEMENT]}"

    def _call(self, method: str, path: str, body: dict | None = None) -> object:
        content = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, content, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                return json.load(response)["value"]
        except urllib.error.HTTPError as error:
            raise RuntimeError(error.read().decode()) from error
