"""Lessons run in batch: which there are, their parameters, the runs, their pages."""
