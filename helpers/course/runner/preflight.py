"""Look at a learner's own file before any kernel starts, through the very steps of the lessons."""

from __future__ import annotations

from pathlib import Path

from helpers.course import BadInput

LEAST_OF_EACH = 10  # churners and stayers in each group that a lesson compares


def check_telco_file(path: str | Path) -> None:
    """Stop unless the lessons can use the file at `path`.

    It is read, held against its schema, cleaned and split, as the lessons do.

    Raises
    ------
    BadInput
        With the message of the step that failed.
    """
    from helpers.etl.books import quarantine
    from helpers.etl.businesses.telco import clean_telco, read_telco, telco_schema
    from helpers.etl.splits import split_customers

    try:
        raw, _ = read_telco(path)
        accepted, refused = quarantine(raw, telco_schema())
        if len(accepted) == 0:
            raise ValueError(
                f"{Path(path).name} has {len(raw):,} row(s) and none keeps the schema; the first "
                f"breaks: {refused['reason'].iloc[0]}. Check that the file is the right one."
            )
        customers = clean_telco(accepted)
        split_customers(customers, seed=0)
        _check_groups(customers)
    except ValueError as error:
        name = Path(path).name
        raise BadInput(str(error) if name in str(error) else f"{name}: {error}") from error


def _check_groups(customers):
    """Stop unless each group that the lessons compare is there, and so are the others."""
    groups = {
        "PaymentMethod 'Electronic check'": customers["PaymentMethod"].eq("Electronic check"),
        "InternetService 'Fiber optic'": customers["InternetService"].eq("Fiber optic"),
        "Contract 'Month-to-month'": customers["Contract"].eq("Month-to-month"),
        "tenure up to 12": customers["tenure"].le(12),
    }
    churned = customers["Churn"].eq("Yes")
    for name, inside in groups.items():
        for side, word in ((inside, ""), (~inside, "without ")):
            fewest = min((side & churned).sum(), (side & ~churned).sum())
            if fewest < LEAST_OF_EACH:
                raise ValueError(
                    f"the customers {word}{name} hold only {fewest} of one outcome; the lessons "
                    f"compare this group with the others and need at least {LEAST_OF_EACH} who "
                    "left and who stayed in each. Take more customers."
                )


CHECKS = {"TELCO_CSV": check_telco_file}


def check_files(values: dict[str, dict[str, object]]) -> None:
    """Check each file named by the chosen values once.

    Parameters
    ----------
    values : stem of a notebook -> name of a parameter -> value.

    Raises
    ------
    BadInput
        If a file cannot be used.
    """
    named = {(name, value) for own in values.values() for name, value in own.items() if name in CHECKS}  # fmt: skip
    for name, value in sorted(named):
        if value:
            CHECKS[name](value)
