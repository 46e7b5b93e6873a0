"""Pretraining: encoders trained without labels (SimCLR, BYOL) and with labels (supervised contrastive)."""
