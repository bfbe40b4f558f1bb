"""Augmentation of whole batches of uint8 images on their device; see docs/augmentation.md."""
