"""Versioning: what DVC keeps of data and models."""
