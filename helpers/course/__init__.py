"""Tools for authors, instructors and batch runs: the `lifecycle` command line and what it calls."""


class BadInput(ValueError):
    """Something the caller gave cannot be used; the command line answers with exit code 2."""
