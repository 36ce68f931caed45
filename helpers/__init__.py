"""Small, tested helpers for the lifecycle of a machine-learning model: one room per stage.

What you may copy into your own work:
    problem      stage 1: what is decided, whether machine learning fits, what success is worth
    etl          stages 2 and 3: extract, clean, combine, load, split, with books that close
    training     stage 4: models, and how they are judged
    deployment   stage 5: packages, batches
    monitoring   after it: drift, alerts
For notebooks only:
    prose, practice, answers   computed sentences and checks of answers
    plots                      pictures
For every room: checks, doors, files, lifecycle.
The simulated outside: worlds (shop, operator, incidents, sources).
For authors, instructors and batch runs: course (the command line, runner, authors, grading).
Benchmarks are in tests/benchmarks, the list of words in notebooks/words.md.

Nothing is imported here: `import helpers` is instant, and each notebook imports the room it needs.
"""

__version__ = "0.1.0"
