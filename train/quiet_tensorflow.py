"""Gets TensorFlow going. Needs nothing else, so that the command line can ask for it late."""

import os

from train.waiting import waiting


def load_tensorflow() -> None:
    """Imports TensorFlow without its start-up chatter, which no setting of its own turns off.

    It takes seconds, which a terminal counts.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    stderr = os.dup(2)
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        with (
            open(stderr, "w", closefd=False) as terminal,
            waiting("loading TensorFlow", terminal),
        ):
            import tensorflow

            # Not the logical ones: that starts them, which several machines have to do together.
            tensorflow.config.list_physical_devices()
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
