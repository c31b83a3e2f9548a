"""Losses, one family a file; each says what kind of prediction it reads and what it needs beforehand."""
