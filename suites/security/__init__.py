"""Claims of the area `security`."""
