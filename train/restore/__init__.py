"""Uses a trained generator on photographs of any size and any blur."""

from train.restore.photographs import restore_photograph

__all__ = ["restore_photograph"]
