"""Stage 5: package, version and serve."""
