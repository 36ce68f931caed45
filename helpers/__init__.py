"""Small, tested helpers for the lifecycle of a machine-learning model, one room per stage.

Nothing is imported here: `import helpers` is instant, and each notebook imports the room it needs.
"""

__version__ = "0.1.0"
