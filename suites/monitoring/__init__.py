"""Claims of the area `monitoring`."""
