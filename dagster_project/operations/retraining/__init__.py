"""Retraining: when to retrain, and the gate that a challenger must pass."""
