"""Finds damage: where a photograph is lost beyond use."""
