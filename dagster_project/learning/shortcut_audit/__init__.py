"""Shortcut audit: how much the ensemble relies on cues other than anatomy."""
