"""Checks of the area scaling."""
