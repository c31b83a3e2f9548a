"""What training and evaluation see of a photograph: its size, and which part of it."""
