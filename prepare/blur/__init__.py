"""The lens blur: the blurred, reduced copies of one photograph."""
