"""Damage that time does to photographs, made from a seed: what a restorer learns from and is measured on."""
