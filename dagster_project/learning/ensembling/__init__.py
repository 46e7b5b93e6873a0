"""Ensembling: calibrated members and the champion."""
