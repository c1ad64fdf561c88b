"""Scores runs on test images and on real photographs."""
