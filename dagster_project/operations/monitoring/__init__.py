"""Monitoring: predictions on new images, drift by cause, the wish to retrain."""
