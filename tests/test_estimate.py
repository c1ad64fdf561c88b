"""What a download will take is said before it starts."""

from helpers.ffhq_files import image_bytes

from prepare.ffhq.estimate import download_plan
from prepare.ffhq.settings import FfhqSettings
from prepare.ffhq.verified_files import VerifiedFiles, image_file


def test_images_at_hand_are_not_counted(tmp_path):
    path = tmp_path / "ffhq" / image_file("00003", ".png")
    path.parent.mkdir(parents=True)
    path.write_bytes(image_bytes(3))
    VerifiedFiles(tmp_path / "ffhq").record("00003", path, "drive", "")
    plan = download_plan(FfhqSettings(), tmp_path, 1000, done_ids={"00000", "00001"})
    assert plan.num_files == 997
    assert plan.disk_bytes == 997 * 1_273_000
    assert plan.download_bytes == plan.disk_bytes + 1000 * 4000  # and the metadata
    assert plan.free_bytes > 0


def test_all_at_hand_needs_nothing(tmp_path):
    plan = download_plan(FfhqSettings(), tmp_path / "not" / "yet", 2, done_ids={"00000", "00001"})
    assert (plan.num_files, plan.download_bytes, plan.disk_bytes) == (0, 0, 0)


def test_few_images_of_a_tar_need_nearly_all_of_it(tmp_path):
    plan = download_plan(FfhqSettings(source="mirror"), tmp_path, 20)
    assert plan.disk_bytes == 20 * 960_000
    assert 0.9e9 < plan.download_bytes < 0.96e9
    singly = FfhqSettings(source="mirror", mirror_url="https://host/{id}.webp")
    assert download_plan(singly, tmp_path, 20).download_bytes == 20 * 960_000
