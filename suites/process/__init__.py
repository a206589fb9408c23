"""Claims of the area `process`."""
