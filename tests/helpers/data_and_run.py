"""A data folder and an evaluated run with every record there is, and the commands over them."""

import shutil

import pipeline
from helpers.evaluated import write_evaluated_run
from helpers.pair_files import write_photos

DATA_RECORDS = [
    "manifest.jsonl",
    "rejected.jsonl",
    "blurred_resized/disc-r30/kernel.json",
    "blurred_resized/disc-r10-40/kernel.json",
    "blurred_resized/disc-r10-40/manifest.jsonl",
]
RUN_RECORDS = [
    "settings.json",
    "log.csv",
    "evaluation/disc-r30/metrics.json",
    "evaluation/disc-r30/scores.jsonl",
]


def write_data_and_run(folder):
    """Ten images, two sets, one photograph that was rejected; and two runs that are alike."""
    photos = write_photos(folder / "photos", [f"{index:02d}.png" for index in range(12)])
    (photos / "03.png").write_bytes(b"no PNG")
    words = f"dataset --data-dir {folder}/data --num-images 10 --source folder --from {photos}"
    assert pipeline.main([*words.split(), "--size", "32", "--radius", "30", "10-40"]) == 0
    write_evaluated_run(folder / "runs" / "run", folder / "data")
    shutil.copytree(folder / "runs" / "run", folder / "runs" / "other")
    return folder


def commands(folder):
    """The words of commands that read them, by the command."""
    where = ["--data-dir", folder / "data"]
    runs = [*where, "--runs-dir", folder / "runs", "--run", "run"]
    photos = ["--source", "folder", "--from", folder / "photos", "--size", 32]
    return {
        "dataset": ["dataset", "--num-images", 10, *photos, "--radius", 30, "10-40", *where],
        "blur": ["blur", "--radius", 20, "--size", 32, *where],
        "train": ["train", "--kernel", "*", "--dry-run", *runs],
        "report": ["report", *runs],
        "compare": ["compare", "--with", "run", "other", *runs],
    }


def run(capsys, *arguments):
    """Exit code and error lines of one command, in this process."""
    code = pipeline.main([str(word) for word in arguments])
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error:")]
    assert code in (0, 1, 2)
    assert len(errors) == (code > 0)
    return code, errors
