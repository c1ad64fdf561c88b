"""Fetches files over HTTP; knows nothing of what they are."""
