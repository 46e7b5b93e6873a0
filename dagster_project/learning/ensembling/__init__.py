"""Ensembling: calibrated members, the champion and its gate."""
