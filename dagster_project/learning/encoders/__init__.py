"""Encoders: backbones, embeddings, test-time augmentation."""
