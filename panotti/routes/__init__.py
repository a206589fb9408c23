"""The HTTP routes, each with its rule beside it."""
