"""Runs a logged run again, from its folder or from MLflow, and says whether it is the same."""
