"""The specification: one folder per area, one file per control group; it reads like a list of claims."""
