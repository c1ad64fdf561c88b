"""The pages with results."""
