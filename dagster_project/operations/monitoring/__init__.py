"""Monitoring: predictions on new pictures, drift by cause, the wish to retrain."""
