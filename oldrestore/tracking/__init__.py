"""Sinks that follow run folders to MLflow and VisualDL, and the pages of both."""
