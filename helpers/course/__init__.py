"""Tools for authors, instructors and batch runs: the `lifecycle` command line and what it calls."""
