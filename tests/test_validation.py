from train.dataset import Pairs
from train.validation import in_turn


def test_first_images_meet_all_kernels_and_every_pair_comes_once() -> None:
    pairs = Pairs(
        ids=("a", "b", "c"),
        sharp=("a", "b", "c"),
        blurred=(("a15", "b15", "c15"), ("a30", "b30", "c30")),
        size=64,
    )
    paths = list(in_turn(pairs))
    assert paths[:3] == [("a15", "a"), ("b30", "b"), ("c15", "c")]
    assert len(set(paths)) == len(paths) == 6
    assert all(blurred[0] == sharp for blurred, sharp in paths)
