"""Evens out what is worn but not lost: noise, fading, colour cast, contrast."""
