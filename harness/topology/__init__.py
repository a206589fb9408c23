"""A topology of services, networks and volumes as its Compose file describes it; nothing is started here."""

from __future__ import annotations
