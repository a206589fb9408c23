"""Claims of the area `practice`."""
