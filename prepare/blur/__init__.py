"""The lens blur: its settings, its point spread functions, and the blurred, reduced copies."""
