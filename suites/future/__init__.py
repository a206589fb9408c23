"""Future improvements."""
