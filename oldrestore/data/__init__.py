"""Photographs: where they come from, how they are decoded, split, cropped and fed to training."""
