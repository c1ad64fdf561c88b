"""Restores photographs of any size and any blur with a trained generator."""

from train.restore.photographs import restore_photograph

__all__ = ["restore_photograph"]
