"""Stages 2 and 3: extract, check, transform, integrate and load."""
