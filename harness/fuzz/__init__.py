"""Fuzzing: requests nobody would send, made from the target's own API description, judged by what must never
be answered.

A campaign runs in a process of its own (`harness.fuzz.child`), for as long as it was given. This side says
what to fuzz and as whom (`plan`), follows it (`running`), and keeps what failed (`corpus`).
"""
