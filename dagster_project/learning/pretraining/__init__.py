"""Pretraining: encoders learned without labels (SimCLR, BYOL) and with them (supervised contrastive)."""
