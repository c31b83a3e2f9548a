"""Brings old photographs back: damage found, filled and evened out, stage by stage."""
