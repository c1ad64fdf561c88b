"""What a run begins with or goes on with, and the weights of another that it starts from."""

import contextlib
import shutil
from dataclasses import replace

import numpy as np
import pytest
from helpers.pair_files import tree
from helpers.runs import assert_same_run, run, steps_in, tensors_of

import pipeline
import train.loop
from train.checkpoints import load_generator, save_generator, weights_sha256
from train.run import Run, RunRecord, UnfitRunError, plan_start
from train.settings import PRESETS, USUAL_STEPS, TrainSettings

OTHER = TrainSettings(channels=8, blocks=3, start="pooled", steps=2)

# What the command line answers; nothing is trained.


def write_trained(run_dir, settings=OTHER, step=2, **changes):
    """What a training leaves, as far as its weights need not be read."""
    Run(run_dir).write(RunRecord(settings, ("disc-r30",), 32, "sharp", **changes), [])
    (run_dir / f"ckpt-{step}.index").write_bytes(b"")


@pytest.fixture
def runs_dir(tmp_path):
    write_trained(tmp_path / "runs" / "other")
    return tmp_path / "runs"


@pytest.fixture
def plan(runs_dir):
    """The plan of `train` with these flags; nothing is written."""

    def of(*words, run="mine"):
        words = ["train", "--runs-dir", str(runs_dir), "--run", run, *map(str, words)]
        before = tree(runs_dir)
        args = pipeline.build_parser().parse_args(words)
        made = plan_start(args.runs_dir, args.run, pipeline.PRETRAINED_DIR, vars(args))
        assert tree(runs_dir) == before
        return made

    return of


def test_new_run_has_the_settings_of_its_preset_and_a_length(plan):
    assert plan().settings == replace(PRESETS["sharp"], steps=USUAL_STEPS)
    assert plan("--preset", "paper", "--steps", 7).settings.total_steps(80) == 7
    assert plan("--max-minutes", 5).by_minutes
    assert not plan("--max-minutes", 5, "--epochs", 2).by_minutes


def test_network_is_that_of_the_other_run_and_all_else_is_not(plan, runs_dir):
    made = plan("--from-run", "other/", "--channels", 8, "--batch", 2)
    expected = replace(OTHER, steps=USUAL_STEPS, batch=2, from_run="other")
    assert (made.settings, made.source.path) == (expected, runs_dir / "other")
    (runs_dir / "other" / "ckpt-best").mkdir()
    (runs_dir / "other" / "ckpt-2.index").rename(runs_dir / "other" / "ckpt-best" / "ckpt-2.index")
    assert plan("--from-run", "other", "--batch", 2).settings == expected  # the best is enough


def test_network_of_another_kind_is_taken_with_a_recipe_that_fits_it(plan, runs_dir):
    unet = TrainSettings(generator="unet", normalization="instance", crop=0)
    write_trained(runs_dir / "unet", unet)
    assert plan("--from-run", "unet", "--preset", "paper").settings.normalization == "instance"
    with pytest.raises(ValueError, match="crop must be a multiple of 256"):
        plan("--from-run", "unet")


@pytest.mark.parametrize(
    ("flag", "value"), [("channels", 9), ("start", "lenses"), ("generator", "unet")]
)
def test_flags_that_contradict_the_network_are_refused_by_name(plan, flag, value):
    with pytest.raises(UnfitRunError, match=f"--{flag} {value} does not fit the weights"):
        plan("--from-run", "other", f"--{flag}", value)


def test_run_that_cannot_be_started_from_is_one_line(runs_dir, capsys):
    words = ["train", "--runs-dir", str(runs_dir), "--run", "mine", "--from-run"]

    def error_of(name):
        assert pipeline.main([*words, name]) == 1
        [line] = capsys.readouterr().err.splitlines()
        return line

    assert f"error: no run nobody in {runs_dir} to start from (found other)" in error_of("nobody")
    assert "no run mine in" in error_of("mine")  # itself
    (runs_dir / "other" / "ckpt-2.index").unlink()
    expected = "other has no checkpoint yet: the training saves the first one after some minutes"
    assert expected in error_of("other")
    (runs_dir / "other" / "settings.json").write_text("{")
    assert "settings.json is damaged" in error_of("other")


def test_pretrained_network_is_never_trained_itself(tmp_path):
    with pytest.raises(UnfitRunError, match="RUN=mine FROM_RUN=pretrained"):
        plan_start(tmp_path, "pretrained", tmp_path / "pretrained", {})


def test_begun_run_needs_the_other_no_more_and_keeps_it(plan, runs_dir):
    settings = replace(OTHER, from_run="gone")
    write_trained(runs_dir / "mine", settings, from_step=2, from_weights="ab12")
    for words in (["--from-run", "gone/"], []):
        assert plan(*words).settings == settings
    record = Run(runs_dir / "mine").record
    for words in (["--from-run", "other"], ["--from-run", "mine"], ["--channels", 9]):
        other = replace(record, settings=plan(*words).settings)
        with pytest.raises(UnfitRunError, match=r"mine was begun with .*now asked for"):
            Run(runs_dir / "mine").check_unchanged(other)


@pytest.mark.parametrize(
    ("typed", "changes", "refused"),
    [
        ([], {}, False),
        (["--preset", "faithful"], {}, False),
        (["--steps", "12"], {"steps": 12}, False),
        (["--epochs", "2"], {"steps": 0, "epochs": 2}, False),
        (["--max-minutes", "2"], {"max_minutes": 2}, False),
        (["--channels", "32", "--seed", "1"], {"channels": 32, "seed": 1}, True),
        (["--preset", "sharp"], {}, True),
    ],
)
def test_a_run_goes_on_with_what_it_was_begun_with(plan, runs_dir, typed, changes, refused):
    begun = replace(
        PRESETS["faithful"], channels=24, steps=9, seed=5, patience=3, max_minutes=1.0, batch=2
    )
    record = RunRecord(begun, ("disc-r30",), 64, "faithful")
    Run(runs_dir / "mine").write(record, [])
    made = plan(*typed)
    assert made.settings == replace(begun, **{"max_minutes": 0} | changes)
    assert not made.by_minutes
    now = replace(record, settings=made.settings, preset=made.preset)
    with pytest.raises(UnfitRunError) if refused else contextlib.nullcontext():
        Run(runs_dir / "mine").check_unchanged(now)


def test_a_demo_has_a_recipe_of_its_own(tmp_path, capsys):
    words = ["demo", "--dry-run", "--runs-dir", str(tmp_path), "--data-dir", str(tmp_path / "data")]
    assert pipeline.main([*words, "--gan-start", "0.5"]) == 0
    said = capsys.readouterr().out
    for line in ("learning_rate = 0.002", "steps = 500", "gan_start = 0.5"):
        assert f"  {line}\n" in said
    assert list(tmp_path.iterdir()) == []


# Weights of another run.


@contextlib.contextmanager
def ended_before(name):
    """The training is ended where it would call one of its functions, as by a kill."""

    def end(*_):
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train.loop, name, end)
        with pytest.raises(KeyboardInterrupt):
            yield


def test_new_run_starts_from_the_best_averaged_weights_and_all_else_is_fresh(
    data_dir, finished, tmp_path, capsys
):
    with ended_before("build_train_step"):
        run(tmp_path / "mine", data_dir, source=finished, seed=5)
    generator, step, _ = load_generator(finished)
    assert [step] == steps_in(finished / "ckpt-best")
    assert f"mine starts from finished, step {step}" in capsys.readouterr().out
    begun = tensors_of(tmp_path / "mine", 0)
    optimizer = "generator_optimizer/{}/.ATTRIBUTES/VARIABLE_VALUE"  # which holds what it trains
    for number, weight in enumerate(generator.trainable_weights):
        taken = begun[optimizer.format(f"_trainable_variables/{number}")]
        np.testing.assert_array_equal(taken, weight.numpy())
    assert begun[optimizer.format("_iterations")] == 0
    moments = [value for name, value in begun.items() if "generator_optimizer/_variables/" in name]
    kernels = [value for value in moments if value.ndim == 4]
    assert len(kernels) > 3
    assert not any(map(np.any, kernels))
    record = Run(tmp_path / "mine").record
    expected = ("finished", step, weights_sha256(generator))
    assert (record.settings.from_run, record.from_step, record.from_weights) == expected


def test_killed_at_its_start_it_takes_the_same_weights_and_comes_to_the_same_end(
    data_dir, finished, tmp_path
):
    run_dir, whole, adds = tmp_path / "mine", tmp_path / "whole", {"gan_weight": 0, "steps": 2}
    run(whole, data_dir, source=finished, **adds)
    with ended_before("save"):
        run(run_dir, data_dir, source=finished, **adds)
    assert (steps_in(run_dir), Run(run_dir).record.from_step) == ([], steps_in(finished)[-1])
    changed = shutil.copytree(finished, tmp_path / "runs" / "finished")
    shutil.rmtree(changed / "ckpt-best")
    for file in changed.glob("ckpt-[34].*"):  # the first has other weights
        file.unlink()
    with pytest.raises(UnfitRunError, match=r"no longer has the weights .*another RUN="):
        run(run_dir, data_dir, source=changed, **adds)
    with ended_before("build_train_step"):
        run(run_dir, data_dir, source=finished, **adds)
    assert steps_in(run_dir) == [0]
    assert weights_sha256(load_generator(run_dir)[0]) == Run(run_dir).record.from_weights
    run(run_dir, data_dir, source=changed, **adds)  # which is needed no more
    assert_same_run(whole, run_dir, 2)


def test_a_run_that_lacks_its_record_or_its_training_is_not_trained_anew(
    data_dir, finished, copy, tmp_path
):
    (copy / "settings.json").unlink()
    before = tree(copy)
    for source in (finished, None):
        with pytest.raises(UnfitRunError, match=r"has checkpoints but no settings\.json"):
            run(copy, data_dir, source=source, gan_weight=0)
    assert tree(copy) == before
    small = tmp_path / "small"
    small.mkdir()
    for name in ("settings.json", "log.csv"):
        shutil.copyfile(finished / name, small / name)
    save_generator(load_generator(finished)[0], small / "ckpt-best", 4)
    before = tree(small)
    with pytest.raises(UnfitRunError, match=r"make train RUN=\.\. FROM_RUN=small"):
        run(small, data_dir)
    assert tree(small) == before
    with ended_before("build_train_step"):
        run(tmp_path / "mine", data_dir, source=small)


def test_damaged_weights_of_the_other_run_are_one_line(data_dir, finished, tmp_path, capsys):
    other = shutil.copytree(finished, tmp_path / "other")
    for path in other.rglob("ckpt-*.data*"):
        path.write_bytes(path.read_bytes()[:1000])
    words = ["train", "--data-dir", data_dir, "--runs-dir", tmp_path, "--run", "mine"]
    assert pipeline.main([*map(str, words), "--from-run", "other", "--gan-weight", "0"]) == 1
    [line] = [text for text in capsys.readouterr().err.splitlines() if "error" in text]
    assert "other can be read" in line
    assert not (tmp_path / "mine").exists()
