"""Benchmarks of pretraining and evaluation."""
