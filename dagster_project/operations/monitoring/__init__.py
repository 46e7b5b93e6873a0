"""Monitoring: predictions on new images, and drift by cause."""
