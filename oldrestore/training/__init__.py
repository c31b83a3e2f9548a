"""Learners, the loop, checkpoints and schedules."""
