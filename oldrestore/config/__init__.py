"""Configuration: found, composed by Hydra, checked against what it names, and built."""
