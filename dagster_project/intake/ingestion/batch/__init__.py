"""One batch: both passes over its files, staged, then published whole."""
