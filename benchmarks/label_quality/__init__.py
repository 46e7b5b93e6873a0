"""Benchmarks of label errors and review."""
