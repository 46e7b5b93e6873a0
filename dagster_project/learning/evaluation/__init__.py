"""Evaluation: how good each encoder is, with confidence intervals."""
