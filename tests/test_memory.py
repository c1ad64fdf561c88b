"""What is to be kept in memory is compared with what there is of it, before anything is done."""

import pytest
from helpers.pair_files import write_matched_folders

import pipeline
from train import devices
from train.dataset import CacheTooLargeError, Pairs, is_cached
from train.devices import free_bytes

PAIRS = Pairs(tuple("abcde"), tuple("abcde"), (tuple("abcde"),) * 3, 64)
NEEDED = 20 * 64 * 64 * 3  # bytes of twenty pictures


@pytest.fixture
def system(tmp_path, monkeypatch):
    """Files in which a system tells how much memory is free."""
    monkeypatch.setattr(devices, "MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(devices, "CGROUP", tmp_path)

    def told(**contents):
        for name, content in contents.items():
            (tmp_path / name.replace("_", ".")).write_text(content)

    return told


def test_the_tightest_limit_counts(system):
    assert free_bytes() is None
    system(meminfo="MemTotal:  9 kB\nMemAvailable:   3 kB\n")
    assert free_bytes() == 3 * 1024
    system(memory_max="max\n", memory_current="900\n")
    assert free_bytes() == 3 * 1024
    system(memory_max="1000\n")
    assert free_bytes() == 100
    system(memory_max="800\n", meminfo="no memory")
    assert free_bytes() == 0


def test_this_system_tells_it():
    assert free_bytes() is None or 0 <= free_bytes() < 1 << 50


def test_pictures_that_do_not_fit_are_refused(system):
    assert is_cached(PAIRS, "1")  # nobody knows
    system(memory_max=f"{NEEDED}", memory_current="0")
    assert is_cached(PAIRS, "1")
    system(memory_current="1")
    assert not is_cached(PAIRS, "0")
    with pytest.raises(CacheTooLargeError, match=r"CACHE=1 takes 0.0 GB for 20 pictures of 64 pix"):
        is_cached(PAIRS, "1")


def test_unasked_they_take_a_quarter_of_what_is_free_at_most(system):
    assert not is_cached(PAIRS, "auto")  # nobody knows
    system(memory_max=f"{4 * NEEDED}", memory_current="0")
    assert is_cached(PAIRS, "auto")
    system(memory_current="1")
    assert not is_cached(PAIRS, "auto")


def test_command_says_so_at_once(system, tmp_path, capsys):
    data_dir = write_matched_folders(tmp_path / "data", [f"{number:02d}" for number in range(10)])
    system(memory_max="1000", memory_current="0")
    words = ["train", "--data-dir", str(data_dir), "--runs-dir", str(tmp_path / "runs")]
    assert pipeline.main([*words, "--dry-run"]) == 0
    for more in ([], ["--dry-run"]):
        assert pipeline.main([*words, "--cache", "1", *more]) == 1
        assert "GB of memory are free; leave it out" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()
