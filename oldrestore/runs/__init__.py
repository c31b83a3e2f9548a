"""Runs: made, found, loaded, listed."""
