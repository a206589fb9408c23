"""Disturbances during a run. Each is applied, seen to be applied, and taken back."""
