"""Training set: labels, near-duplicates, split."""
