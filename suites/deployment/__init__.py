"""Claims of the area `deployment`."""
