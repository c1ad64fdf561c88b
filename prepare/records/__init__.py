"""What lies on disk, and how it is written and read: the one part of `prepare` that `train` uses.

Needs the standard library and numpy alone.
"""
