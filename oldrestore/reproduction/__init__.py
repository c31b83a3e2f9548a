"""Runs a logged run again and says whether it is the same: from its folder, or from what MLflow holds of it."""
