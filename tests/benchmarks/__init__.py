"""Comparisons of our figures with a reference measured in the same run: `python3 run.py bench NAME`."""
