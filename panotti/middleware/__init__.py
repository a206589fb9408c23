"""Pure ASGI middleware; each computes its expectations once, when it is built."""
