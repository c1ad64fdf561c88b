"""Restoring photographs: what is kept in files, what is written where, and what goes wrong."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from helpers.pair_files import ROOT
from helpers.plain_run import write_plain_run
from PIL import Image, ImageCms
from scipy.ndimage import gaussian_filter

from prepare.records import files
from train.dataset import write_picture
from train.restore import restore_photograph
from train.restore.engine import open_engine
from train.restore.photographs import NothingRestoredError, Wanted, deblur, plan
from train.restore.radius_map import described, render_map
from train.restore.restore import BlurMap, restore
from train.run import PRETRAINED_DIR, Run, RunRecord
from train.settings import TrainSettings

# What the small environment lacks, but for what these tests need themselves.
LARGE = {"tensorflow", "keras", "onnx", "cv2", "scipy", "skimage", "jinja2", "requests"}


@dataclass
class StandIn:
    """What an engine is to those who restore: a change of pictures in -1..1."""

    change: Callable[[np.ndarray], np.ndarray]
    weights: str = "none"
    estimates_blur: bool = False
    uses_pooling: bool = True
    certainty: float = 1.0
    crispness: float = 0.0

    @property
    def radii_px(self) -> np.ndarray:
        """Of mean 3, and as far apart as the certainty says."""
        deviation = 4 * (1 - self.certainty)
        return np.array([0, 3 - deviation, 3 + deviation] * self.estimates_blur, np.float32)

    def estimate(self, blurred: np.ndarray) -> tuple[np.ndarray, float]:
        cells = blurred.shape[0] // 4, blurred.shape[1] // 4
        return np.full((*cells, 3), [0, 0.5, 0.5]), 0.5

    def correction(self, blurred: np.ndarray, radius_probs: np.ndarray | None) -> np.ndarray:
        assert (radius_probs is not None) == self.estimates_blur
        return self.change(blurred)

    @property
    def notes(self) -> dict[str, str]:
        return {"multiple": "4", "weights": self.weights}


NOTHING = StandIn(np.zeros_like)
SEES_BLUR = StandIn(np.zeros_like, estimates_blur=True)
NEGATIVE = StandIn(lambda blurred: -2 * blurred)


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    rng = np.random.default_rng(0)
    noise = gaussian_filter(rng.uniform(0, 255, (83, 130, 3)), (2, 2, 0))
    return (255 * (noise - noise.min()) / np.ptp(noise)).astype(np.uint8)


def restored(engine: StandIn, path: Path, **wanted: float) -> Image.Image:
    """The result of one photograph, beside it in `out`."""
    deblur(engine, plan([path], path.parent / "out"), Wanted(**wanted))
    return Image.open(path.parent / "out" / f"{path.stem}.png")


def test_keeps_exif_profile_resolution_and_turns_upright(tmp_path: Path, photo: np.ndarray) -> None:
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "Maker"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    image = Image.fromarray(photo)
    image.save(tmp_path / "a.jpg", exif=exif, icc_profile=profile, dpi=(300, 300), quality=100)
    with restored(NOTHING, tmp_path / "a.jpg") as result:
        assert result.size == (83, 130)
        assert "srgb" in result.info  # to which the profile's colors were converted
        assert result.getexif()[0x010F] == "Maker"
        assert 0x0112 not in result.getexif()
        assert result.info["dpi"] == pytest.approx((300, 300), abs=0.1)
        difference = np.asarray(result).astype(int) - np.rot90(photo, -1)
    assert np.abs(difference).mean() < 4


def test_keeps_grayness_and_16_bits(tmp_path: Path, photo: np.ndarray) -> None:
    Image.fromarray(photo[..., 0]).save(tmp_path / "gray.png")
    gray = restored(NEGATIVE, tmp_path / "gray.png")
    assert gray.mode == "L"
    assert np.array_equal(np.asarray(gray), 255 - photo[..., 0])
    deep = (np.arange(64 * 64).reshape(64, 64) * 16).astype(np.uint16)
    Image.fromarray(deep).save(tmp_path / "deep.png")
    result = np.asarray(restored(NOTHING, tmp_path / "deep.png"))
    assert result.dtype.itemsize >= 2
    np.testing.assert_array_equal(result, deep)


def test_what_is_transparent_is_kept_and_not_looked_at(tmp_path: Path, photo: np.ndarray) -> None:
    alpha = np.full(photo.shape[:2], 200, np.uint8)
    alpha[20:40, 30:60] = 0
    hidden = np.where(alpha[..., None] > 0, photo, [[[255, 0, 0]]]).astype(np.uint8)
    Image.fromarray(np.dstack([hidden, alpha])).save(tmp_path / "cut-out.png")
    seen = []
    engine = StandIn(lambda blurred: seen.append(blurred) or -2 * blurred)
    result = np.asarray(restored(engine, tmp_path / "cut-out.png"))
    assert np.array_equal(result[..., 3], alpha)
    assert np.array_equal(result[alpha == 0][:, :3], hidden[alpha == 0])
    assert np.array_equal(result[alpha > 0][:, :3], 255 - photo[alpha > 0])
    assert (seen[0][:83, :130][alpha == 0][:, 1] > -1).any()  # not the red of what is hidden


def test_says_what_it_drops(
    tmp_path: Path, photo: np.ndarray, capsys: pytest.CaptureFixture
) -> None:
    (tmp_path / "gifs").mkdir()
    frames = [Image.fromarray(photo), Image.fromarray(255 - photo)]
    frames[0].save(tmp_path / "gifs" / "two.gif", save_all=True, append_images=frames[1:])
    deblur(NOTHING, plan([tmp_path / "gifs"], tmp_path))
    assert "two.gif: not kept: 1 further frames" in capsys.readouterr().out


@pytest.mark.parametrize(("strength", "expected"), [(0.0, 100), (0.5, 128)])
def test_strength_blends(tmp_path: Path, strength: float, expected: int) -> None:
    write_picture(tmp_path / "a.png", np.full((30, 40, 3), 100, np.uint8))
    assert np.all(np.asarray(restored(NEGATIVE, tmp_path / "a.png", strength=strength)) == expected)


def test_python_gets_what_the_command_writes(tmp_path: Path, photo: np.ndarray) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(photo).save(tmp_path / "a.jpg", exif=exif, quality=100)
    result = restore_photograph(str(tmp_path / "a.jpg"))
    with restored(open_engine(Run(PRETRAINED_DIR)), tmp_path / "a.jpg") as written:
        assert np.array_equal(result, np.asarray(written))
    assert np.abs(result.astype(int) - np.rot90(photo, -1)).mean() > 5  # and it is restored


def test_only_our_own_results_of_the_same_photograph_are_replaced(
    tmp_path: Path, photo: np.ndarray
) -> None:
    out = tmp_path / "out"
    write_picture(tmp_path / "one" / "IMG_1.jpg", photo)
    write_picture(tmp_path / "two" / "IMG_1.jpg", 255 - photo)
    one, two = ([tmp_path / name / "IMG_1.jpg"] for name in ("one", "two"))
    for _ in range(2):  # again is right
        deblur(SEES_BLUR, plan(one, out, compare=True, radius_map=True))
    [target] = plan(one, out, compare=True, radius_map=True)
    assert set(out.iterdir()) == set(target.files)
    for path in target.files:
        for other in out.iterdir():
            other.rename(out / f".{other.name}")
        (out / f".{path.name}").rename(path)  # alone
        message = f"{path.name} exists and is no earlier result"
        plan(one, out, compare=True, radius_map=True)
        with pytest.raises(NothingRestoredError, match=message):
            plan(two, out, compare=True, radius_map=True)
        write_picture(path, photo)  # the user's own
        with pytest.raises(NothingRestoredError, match=message):
            plan(one, out, compare=True, radius_map=True)
        path.unlink()
        deblur(SEES_BLUR, plan(one, out, compare=True, radius_map=True))


@pytest.mark.parametrize("name", ["a.png", "a-compare.jpg", "a-map.png"])
def test_inputs_are_never_overwritten(tmp_path: Path, photo: np.ndarray, name: str) -> None:
    write_picture(tmp_path / name, photo)
    inputs = [tmp_path / name]
    if name != "a.png":
        inputs = [tmp_path / "sub" / "a.jpg", tmp_path / name]
        write_picture(inputs[0], photo)
    with pytest.raises(NothingRestoredError, match=f"{name} would be overwritten"):
        plan(inputs, tmp_path, compare=True, radius_map=True)


def test_names_are_told_apart_or_refused(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    for name in ("IMG.JPG", "img.png", "other.png", "sub/IMG.JPG"):
        (tmp_path / name).write_bytes(b"")
    targets = plan([tmp_path], tmp_path / "out")
    names = {"IMG-jpg.png", "img-png.png", "other.png"}
    assert {target.result.name for target in targets} == names
    (tmp_path / "empty").mkdir()
    for inputs, message in (
        (["IMG.JPG", "sub"], "same name"), (["x.jpg"], "no such file"), (["empty"], "holds no")
    ):  # fmt: skip
        with pytest.raises(NothingRestoredError, match=message):
            plan([tmp_path / name for name in inputs], tmp_path / "out")


def test_a_result_that_came_meanwhile_is_not_replaced(
    tmp_path: Path,
    photo: np.ndarray,
    capsys: pytest.CaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write_picture(tmp_path / "one" / "a.png", photo)
    write_picture(tmp_path / "two" / "a.png", 255 - photo)
    first, second = (plan([tmp_path / name], tmp_path / "out") for name in ("one", "two"))

    def first_comes(_: int) -> None:
        monkeypatch.undo()
        deblur(NOTHING, first)

    monkeypatch.setattr(files, "to_disk", first_comes)  # at the last moment
    with pytest.raises(NothingRestoredError, match="1 of 1 could not be restored"):
        deblur(NOTHING, second)
    assert "no earlier result of this photograph" in capsys.readouterr().out
    assert np.array_equal(np.asarray(Image.open(tmp_path / "out" / "a.png")), photo)


def test_what_is_made_is_not_made_again_unless_it_would_differ(
    tmp_path: Path, photo: np.ndarray, capsys: pytest.CaptureFixture
) -> None:
    for name in ("a.jpg", "b.jpg"):
        write_picture(tmp_path / name, photo)
    out = tmp_path / "out"

    def made_again(engine: StandIn = NOTHING, compare: bool = True, **wanted: float) -> list[str]:
        before = {path.name: path.stat().st_ino for path in out.glob("*.png")}
        how = Wanted(**wanted)
        deblur(engine, plan([tmp_path], out, compare=compare, wanted=how), how)
        return sorted(n for n, ino in before.items() if (out / n).stat().st_ino != ino)

    assert made_again() == []  # all are new
    (out / "b-compare.jpg").unlink()  # as if stopped before it was written
    assert made_again() == ["b.png"]
    assert capsys.readouterr().out.count("a.jpg: already restored") == 1
    assert made_again(compare=False) == []
    assert made_again(strength=0.5, detail=0.2) == []
    assert (out / "a-strength-0.5-detail-0.2.png").exists()
    assert made_again(limits_px=(4, 9)) == ["a.png", "b.png"]
    write_picture(tmp_path / "mask.png", np.zeros_like(photo))
    masks = (tmp_path / "mask.png").rename(tmp_path / "out" / "mask.tif")
    assert made_again(masks=masks) == ["a.png", "b.png"]
    assert made_again(masks=masks) == []
    assert made_again(StandIn(np.zeros_like, "others")) == ["a.png", "b.png"]
    beside = tmp_path / "photographs"  # results beside their photographs are no photographs
    write_picture(beside / "c.jpg", photo)
    for _ in range(2):
        targets = plan([beside], beside, compare=True)
        deblur(NOTHING, targets)
        assert [target.result for target in targets] == [beside / "c.png"]


def test_a_result_is_not_restored_again_unless_that_is_wanted(
    tmp_path: Path, photo: np.ndarray, capsys: pytest.CaptureFixture
) -> None:
    write_picture(tmp_path / "a.png", photo)
    deblur(NOTHING, plan([tmp_path / "a.png"], tmp_path / "once"))
    targets = plan([tmp_path / "once"], tmp_path / "twice")
    with pytest.raises(NothingRestoredError):
        deblur(NEGATIVE, targets)
    assert "a.png: is a result of `make deblur`" in capsys.readouterr().out
    deblur(NEGATIVE, targets, Wanted(again=True))
    assert np.array_equal(np.asarray(Image.open(targets[0].result)), 255 - photo)


def test_a_mask_says_where_to_restore(
    tmp_path: Path, photo: np.ndarray, capsys: pytest.CaptureFixture
) -> None:
    gray = np.full((40, 60, 3), 100, np.uint8)
    mask = np.repeat(np.linspace(0, 255, 60).astype(np.uint8)[None], 40, 0)
    for name in ("a", "b", "c"):
        write_picture(tmp_path / f"{name}.png", gray)
    (tmp_path / "masks").mkdir()
    Image.fromarray(mask).save(tmp_path / "masks" / "a.png")
    Image.fromarray(mask[:, :50]).save(tmp_path / "masks" / "b.png")
    how = Wanted(masks=tmp_path / "masks")
    targets = plan([tmp_path], tmp_path / "out", wanted=how)
    with pytest.raises(NothingRestoredError, match=r"2 of 3 .* \(b.png, c.png\)"):
        deblur(NEGATIVE, targets, how)
    said = capsys.readouterr().out
    assert "has 50x40 pixels, the photograph 60x40" in said
    assert "c.png: has no mask with its name in" in said
    expected = np.rint(100 + 55 * mask.astype(float) / 255)
    assert np.abs(np.asarray(Image.open(targets[0].result)) - expected).max() <= 1
    with pytest.raises(NothingRestoredError, match="no such file or folder"):
        plan([tmp_path], tmp_path / "out", wanted=Wanted(masks=tmp_path / "none"))


def test_side_by_side(tmp_path: Path, photo: np.ndarray) -> None:
    write_picture(tmp_path / "wide.png", photo)
    write_picture(tmp_path / "tall.png", np.rot90(photo))
    deblur(NEGATIVE, plan([tmp_path], tmp_path / "out", compare=True))
    assert Image.open(tmp_path / "out" / "wide-compare.jpg").size == (130, 166)
    assert Image.open(tmp_path / "out" / "tall-compare.jpg").size == (166, 130)


def test_what_cannot_be_restored_is_named_and_the_rest_done(
    tmp_path: Path, photo: np.ndarray, capsys: pytest.CaptureFixture
) -> None:
    for name in ("a.png", "c.png"):
        write_picture(tmp_path / name, photo)
    (tmp_path / "b.jpg").write_bytes(b"no picture")
    (tmp_path / "d.png").write_bytes((tmp_path / "a.png").read_bytes()[:5000])
    message = r"2 of 4 could not be restored \(b.jpg, d.png\), see above; the others are"
    with pytest.raises(NothingRestoredError, match=message):
        deblur(NOTHING, plan([tmp_path], tmp_path / "out"))
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"a.png", "c.png"}
    assert "b.jpg: cannot be read (no image, or its kind is not" in capsys.readouterr().out


PROGRAM = f"""
import resource, sys, pipeline
resource.setrlimit(resource.RLIMIT_AS, (900_000_000,) * 2)
code = pipeline.main(sys.argv[1:])
print({LARGE} & {{*sys.modules}})
sys.exit(code)
"""


def test_restoring_needs_the_small_environment_reports_nothing_and_survives_a_lack_of_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ONNX Runtime keeps the number of its session in a hidden file where it reports."""
    scratch, run_dir = tmp_path / "scratch", write_plain_run(tmp_path / "runs" / "r")
    scratch.mkdir()
    monkeypatch.setenv("TMPDIR", str(scratch))
    monkeypatch.delenv("ORT_DISABLE_TELEMETRY", raising=False)
    Run(run_dir).write(RunRecord(TrainSettings(), ("disc-r30",), 64, "sharp", True), ["CPU"])
    for name, side in (("a", 40), ("b", 5000), ("c", 40)):
        Image.new("L", (side, side)).save(tmp_path / f"{name}.png")
    words = ["deblur", tmp_path, "--out", tmp_path / "out", "--map", "--compare"]
    words += ["--run", "r", "--runs-dir", run_dir.parent]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *map(str, words)],
        cwd=ROOT, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith("error: 1 of 3 could not be restored (b.png)")
    assert len(done.stderr.splitlines()) == 1
    lines = done.stdout.splitlines()
    assert lines[0].startswith("r was trained only on disc-r30 and can make other blur worse; ")
    assert lines[1].startswith("r, step 7: 3 photographs to restore into ")
    assert lines[2].startswith("a.png: blur radius 3.0 ")
    assert "b.png: needs more memory than is free" in done.stdout
    assert lines[-1] == "set()"
    names = {f"{stem}{end}" for stem in "ac" for end in (".png", "-map.png", "-compare.jpg")}
    assert {path.name for path in (tmp_path / "out").iterdir()} == names
    assert list(scratch.iterdir()) == []


def test_too_many_pixels_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("train.restore.photographs.MOST_PIXELS", 6000)
    write_picture(tmp_path / "b.png", np.zeros((80, 80, 3), np.uint8))
    with pytest.raises(NothingRestoredError, match=r"1 of 1 could not be restored .* see above$"):
        deblur(NOTHING, plan([tmp_path / "b.png"], tmp_path / "out"))


@pytest.mark.parametrize(("pooled", "certainty", "share"), [
    (False, 0.4, 0.0), (False, 0.6, 0.5), (False, 0.8, 1.0), (True, 0.1, 1.0),
])  # fmt: skip
def test_estimated_by_itself_a_doubtful_place_is_spared(
    pooled: bool, certainty: float, share: float
) -> None:
    engine = StandIn(lambda x: np.full_like(x, 20 / 127.5), "", True, pooled, certainty)
    picture, blur = restore(engine, np.full((40, 60, 3), 100, np.uint8))
    assert (picture == 100 + 20 * share).all()
    np.testing.assert_allclose(blur.confidence, share, atol=1e-3)


# The map of the blur, and the line about it.


def blur_map(radius_px: np.ndarray, confidence: float = 1.0) -> BlurMap:
    radius_px = radius_px.astype(np.float32)
    return BlurMap(radius_px, np.full_like(radius_px, confidence))


def test_a_place_has_the_color_of_its_radius_on_the_scale() -> None:
    radius_px = np.zeros((200, 160))
    radius_px[:, 80:] = 8
    image = np.asarray(render_map(blur_map(radius_px)))
    assert image.shape == (4 * 200 + 96, 4 * 160, 3)
    bar = image[800 + 25]
    for place, end in ((image[400, 100], bar[24]), (image[400, 500], bar[640 - 25])):
        assert tuple(place) == tuple(end)
    assert [tuple(bar[24]), tuple(bar[640 - 25])] == [(68, 1, 84), (253, 231, 37)]  # viridis
    gray = np.asarray(render_map(blur_map(radius_px, 0.0)))
    assert tuple(gray[400, 500]) == (128, 128, 128)
    assert (image[840:] != gray[840:]).any()  # says what gray is, where there is any
    odd = render_map(blur_map(np.full((1, 900), 3.0)))
    assert odd.size == (1600, 2 + 96)


def test_the_line_tells_the_range_and_what_is_not_certain() -> None:
    blur = blur_map(np.linspace(0, 10, 1001)[None])
    assert described(blur) == "blur radius 0.2 to 9.8 pixels, median 5.0"
    assert "median 5.0; noise of about 4 levels" in described(blur._replace(noise=4.2))
    assert described(blur_map(np.zeros((1, 9)))) == "no blur found"
    blur.confidence[:, :100] = 0.2
    assert described(blur).endswith("; uncertain in 10 %, where less is changed")
