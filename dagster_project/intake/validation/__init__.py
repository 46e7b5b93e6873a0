"""Validation: whether a batch's header table is fit to learn from."""
