"""The command line as people use it, judged by what it prints and leaves behind."""

import json
import os
import re
import resource
import signal
import subprocess
import time
from types import SimpleNamespace

import pytest
from helpers.command_line import command, error_of, loaded_by, run
from helpers.ffhq_server import METADATA, FfhqServer, image_bytes, metadata_bytes
from helpers.pair_files import ROOT, tree, write_matched_folders, write_photos
from helpers.pair_writing import words_of_dataset

import pipeline
from prepare.ffhq import source

SUBPARSERS = pipeline.build_parser().commands
PHOTOS = [f"{index:02d}.png" for index in range(10)]


def dataset(data_dir, photos, num_images, *more, size=32):
    return words_of_dataset(data_dir, photos, num_images, *more, "--size", size)


@pytest.fixture
def data_dir(tmp_path):
    return tmp_path / "data"


def times_of(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def ids_in(folder):
    return sorted(path.stem for path in folder.glob("*.jpg"))


# What every command shares.


@pytest.mark.parametrize("words", [[], ["train"]])
def test_help_is_instant_since_it_loads_no_library(words):
    loaded = loaded_by(*words, "--help")
    assert not loaded & {"tensorflow", "keras", "cv2", "numpy", "requests", "PIL", "scipy"}


def test_python_without_docstrings_runs_every_command():
    python, *words = command("blur", "--help")
    assert "--radius" in subprocess.check_output([python, "-OO", *words], cwd=ROOT, text=True)


@pytest.mark.parametrize("name", SUBPARSERS)
def test_every_subcommand_has_help_and_the_shared_flags(name):
    parser = SUBPARSERS[name]
    assert parser.description
    for action in parser._actions:
        assert action.help, action.option_strings
        assert all(flag == flag.lower() and "_" not in flag for flag in action.option_strings)
    flags = {flag for action in parser._actions for flag in action.option_strings}
    assert {"--data-dir", "--seed", "--dry-run"} <= flags
    if name not in ("dataset", "blur", "clean-pairs"):
        assert {"--runs-dir", "--run"} <= flags


def test_help_says_unit_choices_and_default():
    shown = " ".join(SUBPARSERS["train"].format_help().split())
    optimizer = "--optimizer muon|adam optimizer of the generator; the discriminator uses adam"
    assert f"{optimizer} (default: muon)" in shown
    assert "aperture blades; 0 is a disc (0 or 3 or" in (
        " ".join(SUBPARSERS["blur"].format_help().split())
    )


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ([], "SUBCOMMAND"),
        (["bake"], "bake"),
        (["dataset", "--num-images", "0"], "--num-images"),
        (["dataset", "--num-images", "4", "--workers", "0"], "--workers"),
        (["dataset", "--num-images", "4", "--radius", "wide"], "--radius"),
        (["dataset", "--num-images", "4", "--radius", "513"], "--radius"),
        (["dataset", "--num-images", "4", "--blades", "2"], "--blades"),
        (["train", "--preset", "blunt"], "--preset"),
        (["train", "--turns", "yes"], "--turns"),
        (["train", "--nothing"], "--nothing"),
        (["deblur", "photo.jpg", "--strength", "0,5"], "--strength"),
    ],
)
def test_bad_flag_is_one_line_that_names_it_and_exit_code_2(tmp_path, arguments, named):
    if len(arguments) > 1 and arguments[0] != "deblur":
        arguments = [*arguments, "--data-dir", tmp_path]
    assert named in error_of(*arguments, code=2)
    assert not any(tmp_path.iterdir())


# Every bad flag is told before anything is printed, written or asked of a server.


@pytest.fixture
def server():
    with FfhqServer({METADATA: metadata_bytes(2), "00000.png": image_bytes(0)}) as server:
        yield server


@pytest.mark.parametrize(
    "words",
    [
        ["--deadline-s", "nan"],
        ["--mirror-url", "nowhere"],
        ["--ids", "70000"],
        ["--ids", "no such file"],
        ["--num-images", "70001"],
        ["--seed", "-1"],
        ["--focus", "10"],
    ],
)
def test_bad_download_flag_exits_2_before_anything_is_asked(server, tmp_path, words):
    where = ["--data-dir", str(tmp_path / "data"), "--drive-url", server.url]
    for subcommand in ("dataset", "all"):
        assert words[0] in error_of(subcommand, "--num-images", 2, *where, *words, code=2)
    assert server.requests == []
    assert not (tmp_path / "data").exists()


def test_disk_that_is_too_small_is_told_before_anything_is_fetched(server, tmp_path, monkeypatch):
    monkeypatch.setattr(source.shutil, "disk_usage", lambda _: SimpleNamespace(free=1_000_000))
    where = ["--data-dir", tmp_path / "data", "--drive-url", server.url]
    line = error_of("dataset", "--num-images", 2, *where)
    assert "has 1.0 MB free" in line
    assert "KEEP=0" in line
    assert server.requests == []


def test_dry_run_of_train_prints_every_setting_and_writes_nothing(tmp_path):
    data_dir = write_matched_folders(tmp_path / "data", [f"{n:02d}" for n in range(10)], 32)
    words = ["train", "--data-dir", data_dir, "--runs-dir", tmp_path / "runs", "--dry-run"]
    done = run(*words, "--preset", "paper", "--batch", 2)
    for line in ("generator = unet", "batch = 2", "learning_rate = 0.0002", "gan_start = 0.0"):
        assert f"  {line}\n" in done.stdout
    assert not (tmp_path / "runs").exists()
    assert not loaded_by(*words) & {"tensorflow", "keras", "cv2"}


# The data folder.


def test_dataset_grows_and_leaves_what_is_there(photos, data_dir):
    run(*dataset(data_dir, photos, 4))
    before = {path: ns for path, ns in times_of(data_dir).items() if path.suffix == ".jpg"}
    assert len(before) == 4 + 4
    assert "4 pairs are there, 2 to make" in run(*dataset(data_dir, photos, 6)).stdout
    made = tree(data_dir)
    for number in (2, 6):  # fewer take nothing away, a second call makes nothing
        assert "0 to make" in run(*dataset(data_dir, photos, number)).stdout
        assert tree(data_dir) == made
    assert before.items() <= times_of(data_dir).items()
    ids = [name[:2] for name in PHOTOS[:6]]
    assert ids_in(data_dir / "not_blurred_resized") == ids
    assert ids_in(data_dir / "blurred_resized" / "disc-r30") == ids
    lines = (data_dir / "manifest.jsonl").read_text().splitlines()
    assert [json.loads(line)["id"] for line in lines] == ids


def test_too_few_usable_photographs_are_an_error_after_the_rest_is_made(photos, data_dir):
    for name in PHOTOS[:3]:
        (photos / name).write_bytes(b"no PNG")
    error = error_of(*dataset(data_dir, photos, 10))
    assert "7 photographs" in error
    assert "rejected.jsonl" in error
    assert "N=7" in error
    assert len(ids_in(data_dir / "not_blurred_resized")) == 7


@pytest.mark.slow
def test_photograph_that_broke_later_is_replaced_by_another(photos, data_dir):
    run(*dataset(data_dir, photos, 4))
    (photos / "01.png").write_bytes(b"no PNG")
    for _ in range(2):
        run(*dataset(data_dir, photos, 4))
        assert ids_in(data_dir / "not_blurred_resized") == ["00", "02", "03", "04"]
        assert len((data_dir / "manifest.jsonl").read_text().splitlines()) == 4


def test_dry_run_writes_nothing(photos, data_dir):
    flags = ("--num-images", 4, "--source", "sample", "--dry-run", "--data-dir", data_dir)
    for subcommand in ("dataset", "all"):
        said = run(subcommand, *flags).stdout
        assert "  radius_px = 30.0\n" in said
        assert "0 pairs are there, 4 to make" in said
        assert ("  optimizer = muon\n" in said) == (subcommand == "all")
        assert not data_dir.exists()
    run(*dataset(data_dir, photos, 2))
    before = times_of(data_dir)
    run(*dataset(data_dir, photos, 4, "--dry-run"))
    run("blur", "--radius", 15, "--size", 32, "--data-dir", data_dir, "--dry-run")
    run("clean-pairs", "--data-dir", data_dir, "--dry-run")
    assert times_of(data_dir) == before


def test_blur_adds_sets_and_leaves_the_sharp_folder_untouched(photos, data_dir):
    (photos / "02.png").rename(photos / "02.PNG")
    run(*dataset(data_dir, photos, 3))
    before = times_of(data_dir / "not_blurred_resized")
    blur = "blur", "--radius", 15, 45, "--size", 32, "--data-dir", data_dir
    assert run(*blur).stdout.splitlines() == [
        "3 photographs to blur for disc-r15, disc-r45",
        f"3 photographs blurred, in {data_dir / 'blurred_resized'}",
    ]
    assert times_of(data_dir / "not_blurred_resized") == before
    for name in ("disc-r15", "disc-r45"):
        assert ids_in(data_dir / "blurred_resized" / name) == ["00", "01", "02"]
    assert "0 photographs to blur" in run(*blur).stdout


@pytest.mark.slow
def test_blur_makes_what_dataset_would_have_made(photos, tmp_path):
    run(*dataset(tmp_path / "one", photos, 3, "--radius", 30, 45))
    run(*dataset(tmp_path / "two", photos, 3))
    run("blur", "--radius", 45, "--size", 32, "--data-dir", tmp_path / "two")
    one, two = tree(tmp_path / "one"), tree(tmp_path / "two")
    of_dataset = "blurred_resized/dataset.json"
    assert one.pop(of_dataset) != two.pop(of_dataset)
    assert one == two


@pytest.mark.slow
def test_blur_whose_originals_are_gone_is_an_error(photos, data_dir):
    assert "make dataset" in error_of("blur", "--data-dir", data_dir)
    run(*dataset(data_dir, photos, 3))
    (photos / "01.png").unlink()
    error = error_of("blur", "--radius", 15, "--size", 32, "--data-dir", data_dir)
    assert "1 of 3 originals" in error


def test_data_folder_that_cannot_be_written_is_one_error_line(photos, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    for data_dir in (tmp_path / "file", tmp_path / "file" / "below", "/proc/data"):
        assert f"{data_dir}" in error_of(*dataset(data_dir, photos, 2))


def test_full_disk_is_one_error_line_and_leaves_nothing_half_written(photos, data_dir, tmp_path):
    def fill_disk():
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))  # the kernel refuses to write more

    arguments = dataset(data_dir, photos, 6, size=64)
    done = subprocess.run(command(*arguments), preexec_fn=fill_disk, capture_output=True, text=True)
    assert done.returncode == 1
    errors = [line for line in done.stderr.splitlines() if not line.startswith("pairs:")]
    assert len(errors) == 1
    assert re.match(r"error: .*File too large", errors[0])
    assert not list(data_dir.rglob("*.part"))
    assert not list(data_dir.rglob("*.jpg"))
    run(*arguments)
    run(*dataset(tmp_path / "fresh", photos, 6, size=64))
    assert tree(data_dir) == tree(tmp_path / "fresh")


def start_and_stop(data_dir, arguments, signal_number, num_pictures):
    """Starts a command, and sends it a signal once so many pictures, and a new one, are there."""
    num_pictures = max(num_pictures, len(ids_in(data_dir / "not_blurred_resized")) + 1)
    process = subprocess.Popen(
        command(*arguments), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    until_s = time.monotonic() + 60
    while len(ids_in(data_dir / "not_blurred_resized")) < num_pictures:
        assert process.poll() is None, "finished before it could be stopped"
        assert time.monotonic() < until_s
        time.sleep(0.002)
    os.kill(process.pid, signal_number)
    _, errors = process.communicate(timeout=60)
    return process.returncode, errors


@pytest.mark.slow
def test_stopped_again_and_again_is_as_if_undisturbed(tmp_path, data_dir):
    names = [f"{index:03d}.png" for index in range(24)]  # large, so that there is time to stop it
    photos = write_photos(tmp_path / "photos", names, height=500)
    arguments = dataset(data_dir, photos, 20, size=128)
    run(*dataset(tmp_path / "undisturbed", photos, 20, "--workers", 1, size=128))
    undisturbed = tree(tmp_path / "undisturbed")
    for num_pictures, signal_number in (
        (1, signal.SIGKILL),
        (4, signal.SIGINT),
        (8, signal.SIGTERM),
    ):
        code, errors = start_and_stop(data_dir, arguments, signal_number, num_pictures)
        for path in data_dir.glob("*blurred_resized/**/[!.]*.jpg"):
            assert path.read_bytes() == undisturbed[str(path.relative_to(data_dir))]
        if signal_number != signal.SIGKILL:
            assert code == 130
            assert "Traceback" not in errors
            assert "continues from here" in errors
            assert (data_dir / "manifest.jsonl").read_text()  # what was finished is recorded
    run(*arguments)
    assert tree(data_dir) == undisturbed


# Training and restoring: what they say when something is missing (a second or five each).


def test_commands_that_need_a_run_say_what_to_type(tmp_path):
    flags = ["--runs-dir", tmp_path, "--data-dir", tmp_path, "--run", "x"]
    assert "make evaluate RUN=x" in error_of("report", *flags)
    assert "make dataset" in error_of("blur", "--data-dir", tmp_path)
    out = ["photo.jpg", "--out", tmp_path / "out"]
    assert "photo.jpg: no such file" in error_of("deblur", *out, *flags)
    write_photos(tmp_path, ["photo.png"])
    out[0] = tmp_path / "photo.png"
    assert "make train RUN=x" in error_of("deblur", *out, *flags)


@pytest.mark.slow
def test_whole_chain_on_two_sets_of_small_pictures(photos, tmp_path, data_dir):
    flags = ("--data-dir", data_dir, "--runs-dir", tmp_path / "runs", "--gan-weight", 0)
    flags += ("--steps", 4, "--sample-every", 2, "--log-every", 1, "--channels", 4, "--blocks", 1)
    sets = ("--radius", 20, 33.5, "--blades", 6)
    every = [*dataset(data_dir, photos, 10, *sets)[3:], *flags, "--crop", 0]
    assert run("all", *every).stdout.count("richardson_lucy") == 2
    run_dir = tmp_path / "runs" / "run-01"
    scored = run_dir / "evaluation" / "hexagon-r33.5"
    metrics = json.loads((scored / "metrics.json").read_text())
    assert metrics["step"] in (2, 4)
    assert {"blurred", "restored"} <= set(metrics["rows"])
    assert "make blur RADIUS=33.5 BLADES=6 SIZE=32" in (scored / "report.html").read_text()
    assert (run_dir / "evaluation" / "hexagon-r20" / "report.html").exists()
    assert len((run_dir / "log.csv").read_text().splitlines()) == 5

    # Again: nothing is left to do, and the sets are those it was begun with.
    checkpoints = {path: path.stat().st_mtime_ns for path in run_dir.glob("ckpt-*.index")}
    assert "0 to make" in run(*dataset(data_dir, photos, 10, *sets)).stdout
    assert "is finished" in run("train", *flags, "--crop", 0).stdout
    assert {path: path.stat().st_mtime_ns for path in checkpoints} == checkpoints
    (scored / "report.html").unlink()
    run("report", *flags[:4], "--kernel", "hex*3.5")
    assert (scored / "report.html").exists()


# Beside other programs: pipes that close early, terminals that know ASCII.


def test_output_that_nobody_reads_on_ends_quietly(tmp_path):
    reader, writer = os.pipe()
    os.close(reader)
    arguments = ("dataset", "--num-images", 3, "--source", "sample", "--data-dir", tmp_path)
    done = subprocess.run(
        command(*arguments, "--dry-run"), stdout=writer, stderr=subprocess.PIPE, timeout=60
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, b"")


def test_name_that_a_terminal_cannot_show_is_shown_in_its_letters(tmp_path):
    folder = write_photos(tmp_path / "Zoë", ["a.png"])
    arguments = ("dataset", "--num-images", 3, "--source", "folder", "--from", folder)
    done = subprocess.run(
        command(*arguments, "--data-dir", tmp_path / "data"),
        env=os.environ | {"PYTHONIOENCODING": "ascii"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("error: --num-images asks for 3, but --from ")
    assert "Zo\\xeb holds 1" in done.stderr
