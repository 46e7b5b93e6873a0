"""Validation: whether a batch's header table is good enough for training."""
