"""Which checkpoints a folder holds, in what order, whatever became of TensorFlow's list."""

import pytest

from train.checkpoint_names import checkpoints_in


@pytest.mark.parametrize("content", ["", "no list"])
def test_checkpoints_are_in_the_order_of_their_steps(tmp_path, content):
    (tmp_path / "checkpoint").write_text(content)
    for step in (100, 9, 20, 1000):
        (tmp_path / f"ckpt-{step}.index").touch()
    paths = [str(tmp_path / f"ckpt-{step}") for step in (9, 20, 100, 1000)]
    assert checkpoints_in(tmp_path) == paths


def test_list_of_tensorflow_is_put_in_order_too(tmp_path):
    names = "".join(f'all_model_checkpoint_paths: "ckpt-{step}"\n' for step in (100, 9, 20))
    (tmp_path / "checkpoint").write_text(f'model_checkpoint_path: "ckpt-9"\n{names}')
    assert checkpoints_in(tmp_path) == [str(tmp_path / f"ckpt-{step}") for step in (9, 20, 100)]
