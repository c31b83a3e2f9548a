"""Fills what is lost: holes small and large."""
