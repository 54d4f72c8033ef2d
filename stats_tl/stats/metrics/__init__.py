"""Metrics as objects: value, influence of every case, and value under weights."""
