"""The data set FFHQ: its metadata, its sources, and which of its files were checked."""
