"""Runs beside one another: what they scored, how sure that is, what differs between them, and whether it is fair."""
