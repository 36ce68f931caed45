"""The loop itself: five stages, what triggers a look back, and which cause reopens which stage."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import pandas as pd


class Stage(Enum):
    """One of the five stages, in their order; the value is the stage's number.

    Examples
    --------
    >>> [stage.title for stage in Stage][:2]
    ['Problem Definition', 'Data Collection']
    >>> Stage.DATA_PREPARATION.notebook
    '03a_clean'
    """

    PROBLEM_DEFINITION = 1
    DATA_COLLECTION = 2
    DATA_PREPARATION = 3
    MODEL_DEVELOPMENT = 4
    MODEL_DEPLOYMENT = 5

    @property
    def title(self) -> str:
        """The stage's name as the lessons write it."""
        return _TITLES[self]

    @property
    def notebook(self) -> str:
        """The stem of the first notebook of the stage: the one to reopen."""
        return _NOTEBOOKS[self]


_TITLES = {
    Stage.PROBLEM_DEFINITION: "Problem Definition",
    Stage.DATA_COLLECTION: "Data Collection",
    Stage.DATA_PREPARATION: "Data Preparation",
    Stage.MODEL_DEVELOPMENT: "Model Development & Evaluation",
    Stage.MODEL_DEPLOYMENT: "Model Deployment",
}

_NOTEBOOKS = {
    Stage.PROBLEM_DEFINITION: "01a_frame_the_problem",
    Stage.DATA_COLLECTION: "02a_databases_and_services",
    Stage.DATA_PREPARATION: "03a_clean",
    Stage.MODEL_DEVELOPMENT: "04a_churn_baseline",
    Stage.MODEL_DEPLOYMENT: "05a_package",
}


class Cause(Enum):
    """What was found to be wrong or new; each cause reopens exactly one stage.

    Examples
    --------
    >>> Cause.FEATURES_MISSING.reopens.title
    'Data Preparation'
    """

    REQUIREMENTS_CHANGED = "the business wants something else"
    WRONG_PROBLEM = "we solved the wrong problem, or measured it wrongly"
    DATA_INSUFFICIENT = "more or different data are needed"
    DATA_QUALITY = "the data hold errors"
    FEATURES_MISSING = "a feature is missing"
    MODEL_OBSOLETE = "the model no longer fits, or a better one is known"
    INFRASTRUCTURE = "the system that serves the model has to change"

    @property
    def reopens(self) -> Stage:
        """The stage where this cause is repaired."""
        return _REOPENS[self]


_REOPENS = {
    Cause.REQUIREMENTS_CHANGED: Stage.PROBLEM_DEFINITION,
    Cause.WRONG_PROBLEM: Stage.PROBLEM_DEFINITION,
    Cause.DATA_INSUFFICIENT: Stage.DATA_COLLECTION,
    Cause.DATA_QUALITY: Stage.DATA_PREPARATION,
    Cause.FEATURES_MISSING: Stage.DATA_PREPARATION,
    Cause.MODEL_OBSOLETE: Stage.MODEL_DEVELOPMENT,
    Cause.INFRASTRUCTURE: Stage.MODEL_DEPLOYMENT,
}


class Trigger(Enum):
    """What rings in production. A trigger asks for a diagnosis; only the cause names the stage.

    Examples
    --------
    >>> [cause.name for cause in Trigger.NEW_REQUIREMENTS.causes]
    ['REQUIREMENTS_CHANGED']
    """

    PERFORMANCE_DROP = "performance drops below the agreed floor"
    DATA_DRIFT = "the inputs drift significantly"
    NEW_REQUIREMENTS = "the business requirements change"
    NEW_DATA_SOURCE = "a new data source becomes available"
    USER_FEEDBACK = "user feedback points to a problem"

    @property
    def causes(self) -> tuple[Cause, ...]:
        """The causes to check, the most frequent first."""
        return _CAUSES[self]


_CAUSES = {
    Trigger.PERFORMANCE_DROP: (
        Cause.DATA_QUALITY,
        Cause.INFRASTRUCTURE,
        Cause.DATA_INSUFFICIENT,
        Cause.FEATURES_MISSING,
        Cause.MODEL_OBSOLETE,
        Cause.WRONG_PROBLEM,
    ),
    Trigger.DATA_DRIFT: (Cause.DATA_QUALITY, Cause.DATA_INSUFFICIENT, Cause.MODEL_OBSOLETE),
    Trigger.NEW_REQUIREMENTS: (Cause.REQUIREMENTS_CHANGED,),
    Trigger.NEW_DATA_SOURCE: (Cause.DATA_INSUFFICIENT, Cause.FEATURES_MISSING),
    Trigger.USER_FEEDBACK: (
        Cause.FEATURES_MISSING,
        Cause.WRONG_PROBLEM,
        Cause.DATA_QUALITY,
        Cause.INFRASTRUCTURE,
    ),
}


@dataclass(frozen=True)
class Finding:
    """Something to look out for at the end of a stage.

    Attributes
    ----------
    what : the finding, in the words of the business.
    cause : its cause, which names the stage to reopen.
    seen : whether it was seen here, as the notebook computed it; None for a question that no
        table can answer, only people.
    """

    what: str
    cause: Cause
    seen: bool | None


def sends_back(*findings: Finding) -> pd.DataFrame:
    """Tabulate what would send the team back, and where to.

    Parameters
    ----------
    findings : one or more; their order is kept.

    Returns
    -------
    One row per finding: `finding`, `seen here` ("yes", "no" or "ask"), `reopen` (stage), `notebook`.

    Raises
    ------
    ValueError
        If no finding is given: every stage can be sent back.

    Examples
    --------
    >>> table = sends_back(Finding("the file is short", Cause.DATA_INSUFFICIENT, seen=False))
    >>> table.loc[0, "reopen"]
    '2 · Data Collection'
    """
    if not findings:
        raise ValueError("sends_back needs at least one Finding: name what would reopen a stage.")
    return pd.DataFrame(
        {
            "finding": [finding.what for finding in findings],
            "seen here": [
                "ask" if finding.seen is None else "yes" if finding.seen else "no"
                for finding in findings
            ],
            "reopen": [f"{f.cause.reopens.value} · {f.cause.reopens.title}" for f in findings],
            "notebook": [finding.cause.reopens.notebook for finding in findings],
        }
    )
