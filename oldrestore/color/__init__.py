"""Colour science: sRGB and CIE Lab, the 313 ab bins, soft encoding, decoding and the colour prior.

Only modules that end in ``_paddle`` need Paddle; they work on tensors.
"""
