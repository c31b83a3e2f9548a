"""Batches of photographs in a seeded order, and prepared photographs, which are decoded once."""
