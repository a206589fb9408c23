"""Releases: what was put into service, how one takes the place of another, and how it is returned to.

`stage` is where a release stands while it serves; runtimes provide it. `ledger` remembers, `rollout` drives.
"""
