"""Bones put together: joint angles in, every bone's place out."""
