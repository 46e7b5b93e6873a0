"""Evaluation: what an encoder is worth, with intervals."""
