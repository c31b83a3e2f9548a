"""Photograph files: decoded to 8-bit sRGB, in full or at a fraction of their size, and written again."""
