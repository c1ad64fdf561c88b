"""Which checkpoints a folder holds, in what order, whatever became of TensorFlow's list."""

import pytest

from train.run import Run


@pytest.mark.parametrize("content", ["", "no list"])
def test_checkpoints_are_in_the_order_of_their_steps(tmp_path, content):
    (tmp_path / "checkpoint").write_text(content)
    for step in (100, 9, 20, 1000):
        (tmp_path / f"ckpt-{step}.index").touch()
    paths = [tmp_path / f"ckpt-{step}" for step in (9, 20, 100, 1000)]
    assert Run(tmp_path).checkpoints == paths


def test_list_of_tensorflow_is_put_in_order_too(tmp_path):
    names = "".join(f'all_model_checkpoint_paths: "ckpt-{step}"\n' for step in (100, 9, 20))
    (tmp_path / "checkpoint").write_text(f'model_checkpoint_path: "ckpt-9"\n{names}')
    assert Run(tmp_path).checkpoints == [tmp_path / f"ckpt-{step}" for step in (9, 20, 100)]
