"""Look at a learner's own file before any kernel starts, through the very steps of the lessons."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from helpers.course import BadInput

LEAST_OF_EACH = 10  # churners and stayers in each group that a lesson compares


def check_telco_file(path: str | Path, most_refused: float) -> dict[str, Any]:
    """Stop unless the lessons can use the file at `path`; tell what they leave out of it.

    It is read, held against its schema, cleaned and split, as the lessons do.

    Parameters
    ----------
    path : the file.
    most_refused : largest share of its rows that may break the schema, from 0.0 to 1.0.

    Returns
    -------
    Nothing when every row keeps the schema; else `file`, `rows`, `refused`, `rules` (rule, rows and
    the first value that breaks it) and the same as a sentence, `said`.

    Raises
    ------
    BadInput
        With the message of the step that failed.
    """
    from helpers.etl.books import quarantine
    from helpers.etl.businesses import clean_telco, read_telco, split_customers, telco_schema

    name = Path(path).name
    try:
        raw, _ = read_telco(path)
        accepted, refused = quarantine(raw, telco_schema())
        left_out = _left_out(name, len(raw), refused)
        share = len(refused) / len(raw)
        if share > most_refused or not len(accepted):
            accept = f", or accept it: --most-refused {share + 0.005:.2f}" if share < 0.5 else ""
            raise ValueError(
                f"{left_out['said']} The lessons leave such rows out, so their figures would be "
                f"about the others only; up to {most_refused:.0%} is allowed. Mend the file{accept}."
            )
        customers = clean_telco(accepted)
        split_customers(customers, seed=0)
        _check_groups(customers)
    except ValueError as error:
        raise BadInput(str(error) if name in str(error) else f"{name}: {error}") from error
    return left_out


def _left_out(name, rows, refused):
    """Return how many rows broke which rule, and the first value that did; nothing for none."""
    if refused.empty:
        return {}
    rules = []
    broken = refused["reason"].str.split("; ").explode()
    for rule, count in broken.value_counts().items():
        column = rule.split()[0]  # each rule of the schema begins with the name of its column
        at = broken.index[broken.eq(rule)][0]
        first = refused.loc[at, column if column in refused else "customerID"]
        rules.append({"rule": rule, "rows": int(count), "first": first})
    told = "; ".join(
        f'{one["rule"]} ({one["rows"]:,} rows, the first being "{one["first"]}")' for one in rules
    )
    said = f"{name}: {len(refused):,} of {rows:,} rows break a rule: {told}."
    return {"file": name, "rows": rows, "refused": len(refused), "rules": rules, "said": said}


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
        for side, word in ((inside, "with"), (~inside, "without")):
            left, stayed = (side & churned).sum(), (side & ~churned).sum()
            if min(left, stayed) < LEAST_OF_EACH:
                raise ValueError(
                    f"of the customers {word} {name}, {left} left and {stayed} stayed; the lessons "
                    f"compare this group with the others and need at least {LEAST_OF_EACH} of each, "
                    "inside and outside the group. Take more customers."
                )


def check_files(
    values: dict[str, dict[str, object]], most_refused: float
) -> dict[str, dict[str, Any]]:
    """Check each file named by the chosen values once.

    Parameters
    ----------
    values : stem of a notebook -> name of a parameter -> value.
    most_refused : largest share of a file's rows that may break its schema.

    Returns
    -------
    Stem -> what the notebook leaves out of its file, as `check_telco_file` tells it.

    Raises
    ------
    BadInput
        If a file cannot be used.
    """
    paths = {stem: own["TELCO_CSV"] for stem, own in values.items() if own.get("TELCO_CSV")}
    checked = {path: check_telco_file(path, most_refused) for path in sorted(set(paths.values()))}
    return {stem: checked[path] for stem, path in paths.items()}
