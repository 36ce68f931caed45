"""A class graded: submissions read, answered for in a sandbox, checked outside it, told about."""
