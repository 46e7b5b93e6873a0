"""One batch: two passes over its files, staged, then published as a whole."""
