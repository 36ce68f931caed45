"""Stage 1: a success criterion that can be missed, and the charter, the page with all that was agreed."""

from __future__ import annotations

from dataclasses import dataclass, field

import pandas as pd


@dataclass(frozen=True)
class SuccessCriterion:
    """A promise that can be kept or broken: one metric, one floor, one population, one window.

    Attributes
    ----------
    metric : what is measured, such as "roc_auc" or "satisfied share".
    at_least : the agreed floor, in the metric's own unit.
    population : on whom it is measured.
    window : when it is measured.

    Examples
    --------
    >>> floor = SuccessCriterion("roc_auc", 0.8, population="all customers", window="next month")
    >>> floor.met(0.845)
    True
    """

    metric: str
    at_least: float
    population: str
    window: str

    def met(self, value: float) -> bool:
        """Return whether `value` keeps the promise; equality keeps it."""
        return bool(value >= self.at_least)

    def __str__(self) -> str:
        """Say the promise in one line."""
        return f"{self.metric} at least {self.at_least:g} on {self.population}, {self.window}"


@dataclass(frozen=True)
class Charter:
    """The page that business and engineers sign before any data are collected.

    Attributes
    ----------
    situation : the business problem, without a word about models.
    decision : what will be done differently with a prediction.
    target : what exactly is predicted, for whom and for when.
    criterion : when the project is a success.
    constraints : what limits it; one entry each for time, budget, resources, regulations.
    guardrails : what must not fall below a floor of its own while the criterion is met.
    stakeholders : who has a say -> what each of them wants.
    in_scope, out_of_scope : what the project does, and what it leaves alone.
    resources : the data, people and machines that are there.
    feasibility : what a first, cheap check has shown.

    Examples
    --------
    >>> floor = SuccessCriterion("conversion", 0.7, population="all visits", window="each month")
    >>> charter = Charter("visits end with nothing", "ten products a visit", "the next purchase",
    ...                   floor, {"time": "a quarter"}, out_of_scope="prices")
    >>> charter.table()["question"].tolist()[-2:]
    ['Constraint: time', 'What is out of scope?']
    """

    situation: str
    decision: str
    target: str
    criterion: SuccessCriterion
    constraints: dict[str, str]
    guardrails: tuple[SuccessCriterion, ...] = ()
    stakeholders: dict[str, str] = field(default_factory=dict)
    in_scope: str = ""
    out_of_scope: str = ""
    resources: str = ""
    feasibility: str = ""

    def table(self) -> pd.DataFrame:
        """Return the charter as a table of two columns: question, answer; nothing left open."""
        answers = {
            "What is the situation?": self.situation,
            "What will be decided?": self.decision,
            "What is predicted?": self.target,
            "What is success?": str(self.criterion),
            "What must not get worse?": "; ".join(map(str, self.guardrails)),
            **{f"Constraint: {name}": text for name, text in self.constraints.items()},
            **{f"Stakeholder: {role}": wish for role, wish in self.stakeholders.items()},
            "What is in scope?": self.in_scope,
            "What is out of scope?": self.out_of_scope,
            "Which resources are there?": self.resources,
            "Is it feasible?": self.feasibility,
        }
        answers = {question: answer for question, answer in answers.items() if answer}
        return pd.DataFrame({"question": answers.keys(), "answer": answers.values()})
