"""Probes: one module per thing observed. They do the I/O and record evidence; they never judge."""
