"""Counters that every worker process of one machine shares."""
