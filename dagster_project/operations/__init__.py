"""Monitoring, drift and retraining."""
