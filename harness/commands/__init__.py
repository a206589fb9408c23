"""The verbs of the `harness` program, each a thin layer over the library."""
