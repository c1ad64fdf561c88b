"""The data set FFHQ: what it is, where it can be had, and which of its files were checked."""
