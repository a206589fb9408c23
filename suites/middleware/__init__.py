"""Claims of the area `middleware`."""
