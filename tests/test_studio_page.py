"""The studio's page in Chromium, as people use it: on a desk and on a phone, by mouse and keys."""

from pathlib import Path

import pytest
from helpers.browser import ARROW_RIGHT, Browser, browser_is_installed
from helpers.studio import RunningStudio, write_places

pytestmark = pytest.mark.skipif(not browser_is_installed(), reason="needs chromium-driver")

TEXT = "return document.querySelector('{}').textContent"
LOADED = "return document.querySelector('{}').naturalWidth"
SET = """
const each = document.getElementById(arguments[0]);
each.value = arguments[1];
each.dispatchEvent(new Event("input", {bubbles: true}));
"""
NAMELESS = """
const named = (each) => each.labels?.length || each.ariaLabel || each.textContent.trim();
return [...document.querySelectorAll("input, select, button, a, progress")]
  .filter((each) => !named(each)).map((each) => each.outerHTML)
"""
WIDTHS = "return [document.documentElement.scrollWidth, innerWidth]"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_places(tmp_path_factory.mktemp("studio"))
    evaluation = folder / "runs" / "run-01" / "evaluation" / "disc-r30"
    evaluation.mkdir(parents=True)
    (evaluation / "metrics.json").write_text("{}")
    (evaluation / "report.html").write_text("<!doctype html><h1>the report</h1>")
    return folder


@pytest.fixture(scope="module")
def studio(folder: Path):
    with RunningStudio(folder) as studio:
        yield studio


@pytest.fixture(params=[(1280, 900, False), (390, 844, True)], ids=["desk", "phone"])
def browser(request: pytest.FixtureRequest, studio: RunningStudio):
    with Browser(*request.param) as browser:
        browser.open(studio.address)
        yield browser
        width, window = browser.run(WIDTHS)
        assert width <= window
        assert browser.run(NAMELESS) == []
        assert browser.run("return document.querySelector('#problem')?.textContent ?? ''") == ""
        assert browser.complaints() == []


def test_a_set_is_tried_and_made(browser: Browser, folder: Path) -> None:
    browser.press("#original", "05\n")
    browser.wait_for(LOADED.format("#blurred"))
    browser.press("input[data-of=radius_px]", ARROW_RIGHT)
    assert browser.run("return document.getElementById('radius_px').value") == "30.5"
    browser.press("#blades", "6")
    browser.click("#linear")
    radius = 40 + browser.run("return innerWidth") % 7  # another set on the desk than on the phone
    browser.run(f"const arguments = ['radius_px', '{radius}'];" + SET)
    told = f"make blur RADIUS={radius} BLADES=6 LINEAR=1 SIZE=32 DATA={folder}/data"
    command = TEXT.format("#blur-command")
    browser.wait_for(f"{command} === '{told}'")
    browser.click("#blur-start")
    state = TEXT.format("#blur-job .state")
    made = folder / "data" / "blurred_resized" / f"hexagon-r{radius}-linear"
    browser.wait_for(f"{state} === 'done: {made}'")
    assert len(list(made.glob("*.jpg"))) == 10
    assert not browser.run("return document.getElementById('blur-start').disabled")


def test_a_photograph_is_restored(browser: Browser, folder: Path) -> None:
    browser.click("#restore-tab")
    browser.press("#restore-file", str(folder / "IMG 1.jpg"))
    browser.wait_for(LOADED.format("#compare img.restored"))
    assert "blur of 3.0 to 3.0 pixels" in browser.run(TEXT.format("#restore-of"))
    at = "return document.querySelector('#compare').style.getPropertyValue('--at')"
    browser.press("#compare input", ARROW_RIGHT)
    assert browser.run(at) == "51%"
    browser.run("const arguments = ['strength', '0.5'];" + SET)
    opacity = "return document.querySelector('#compare img.restored').style.opacity"
    assert browser.run(opacity) == "0.5"
    assert browser.run("return document.querySelector('#detail').disabled")
    assert "this run has one network" in browser.run(TEXT.format("label[for=detail]"))
    browser.click("#restore-start")
    browser.wait_for("return !document.querySelector('#download').hidden")
    assert browser.run("return document.querySelector('input[value=whole]').checked")
    assert browser.run(opacity) == "1"  # of a file that was made with this strength
    assert (folder / "restored" / "IMG 1.png").exists()
    assert "STRENGTH=0.5 MAP=1" in browser.run(TEXT.format("#restore-command"))
    link = "return document.querySelector('#download a').getAttribute('href')"
    assert browser.run(link).endswith("/result")
    browser.click("input[value=map]")
    browser.wait_for(LOADED.format("#map"))
    browser.click("input[value=crop]")
    browser.drag("#compare input", 60, "touch")
    assert int(browser.run(at)[:-1]) > 60


def test_runs_lead_to_their_pages(browser: Browser, studio: RunningStudio) -> None:
    browser.click("#runs-tab")
    links = "return [...document.querySelectorAll('#runs a')].map((each) => each.href)"
    names = [link.removeprefix(studio.address) for link in browser.run(links)]
    assert names == [
        "runs/run-01/curves",
        "runs/run-01/log.csv",
        "runs/run-01/evaluation/disc-r30/report.html",
    ]
    assert browser.run("return document.querySelectorAll('#runs polyline').length") == 2
    browser.open(studio.address + names[2])
    assert browser.run(TEXT.format("h1")) == "the report"
    browser.open(studio.address + names[0])
    browser.wait_for("return document.querySelectorAll('polyline').length === 2")


def test_keys_alone_will_do(browser: Browser) -> None:
    shown = (
        "return [...document.querySelectorAll('[role=tabpanel]:not([hidden])')].map((e) => e.id)"
    )
    for panel in ("restore", "runs", "blur"):  # around
        browser.press("[role=tab][aria-selected=true]", ARROW_RIGHT)
        assert browser.run(shown) == [panel]
        focused = "return document.activeElement.getAttribute('aria-controls')"
        assert browser.run(focused) == panel
    outlined = "return getComputedStyle(document.activeElement).outlineStyle"
    assert browser.run(outlined) == "solid"


def test_what_goes_wrong_is_said_once(studio: RunningStudio, folder: Path) -> None:
    (folder / "text.jpg").write_text("no picture")
    problem = TEXT.format("#problem")
    with Browser() as browser:
        browser.open(studio.address)
        browser.press("#blur-file", str(folder / "text.jpg"))
        told = "text.jpg cannot be read: no image, or of a kind not supported"
        browser.wait_for(f"{problem} === '{told}'")
        assert (
            browser.run("return document.querySelector('#problem').getAttribute('role')") == "alert"
        )
        browser.run("const arguments = ['radius_px', ''];" + SET)
        browser.wait_for(f"{problem} === 'radius must be a number'")
        browser.run("const arguments = ['radius_px', '600'];" + SET)
        browser.wait_for(f"{problem}.startsWith('radius must be a number between 0 and 512')")
        browser.run("const arguments = ['radius_px', '20'];" + SET)
        browser.wait_for(f"{problem} === ''")


def test_another_page_of_the_same_browser_can_do_nothing(
    studio: RunningStudio, tmp_path: Path
) -> None:
    (tmp_path / "hostile.html").write_text("<!doctype html><title>hostile</title>")
    ask = f"""
    const post = {{method: "POST", body: "{{}}"}};
    const tries = [
      fetch("{studio.address}job"),
      fetch("{studio.address}"),
      fetch("{studio.address}blur/start", {{...post, headers: {{"X-Studio-Token": "x"}}}}),
      fetch("{studio.address}job/cancel", post),
    ];
    return Promise.all(tries.map((each) => each.then((a) => a.text(), () => "nothing")));
    """
    with Browser() as browser:
        browser.open(tmp_path / "hostile.html")
        assert browser.run(ask) == ["nothing"] * 4  # even with the key
        browser.run(f"document.body.innerHTML = '<iframe src={studio.address}></iframe>'")
        refused = browser.complaints()
    assert any("frame" in each or "403" in each or "CORS" in each for each in refused)
