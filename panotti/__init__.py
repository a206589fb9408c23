"""The reference PanottiServer: an ASGI application, its middleware and its process model."""

from __future__ import annotations

__version__ = "0.1.0"
