"""Stage 1: is machine learning appropriate? Five questions, each answered with a measured figure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum

import pandas as pd


class Ask(Enum):
    """A question that has to be answered with yes before a model is built.

    Examples
    --------
    >>> Ask.RULE.instead
    'use the rule, formula or query'
    """

    DECISION = "Does the answer change a decision?"
    PATTERN = "Is there a pattern to be found?"
    DATA = "Are there enough past cases?"
    RULE = "Does the best rule, formula or query leave room?"
    ERRORS = "Can wrong answers be borne?"

    @property
    def instead(self) -> str:
        """What to do when the answer is no."""
        return _INSTEAD[self]


_INSTEAD = {
    Ask.DECISION: "leave it, nobody would act on it",
    Ask.PATTERN: "use the average, or ask another question",
    Ask.DATA: "collect first, then ask again",
    Ask.RULE: "use the rule, formula or query",
    Ask.ERRORS: "compute it exactly, or let a person decide",
}


@dataclass(frozen=True)
class Evidence:
    """The answer to one question, as a figure that was measured and a floor set beforehand.

    Attributes
    ----------
    ask : the question.
    figure : what was measured.
    at_least : from which figure on the answer is yes, in the same unit.
    what : what the figure counts.

    Raises
    ------
    ValueError
        If `figure` or `at_least` is no finite number.

    Examples
    --------
    >>> Evidence(Ask.DATA, figure=40, at_least=100, what="customers who left").yes
    False
    """

    ask: Ask
    figure: float
    at_least: float
    what: str

    def __post_init__(self):
        """Stop a figure that nobody has measured."""
        if not (math.isfinite(self.figure) and math.isfinite(self.at_least)):
            raise ValueError(
                f"{self.ask.name} needs a measured figure and a floor; got {self.figure} and "
                f"{self.at_least}. Measure it, or leave the verdict open."
            )

    @property
    def yes(self) -> bool:
        """Whether the answer is yes; a figure at the floor is."""
        return bool(self.figure >= self.at_least)


@dataclass(frozen=True)
class Suitability:
    """The card that answers whether a wish is one for machine learning.

    Attributes
    ----------
    wish : what somebody asked for.
    evidence : one `Evidence` for each `Ask`, in any order.

    Raises
    ------
    ValueError
        If a question has no answer, or two.

    Examples
    --------
    >>> card = Suitability.of(
    ...     "predict the bill",
    ...     decision=(1, 1, "decisions a month"),
    ...     pattern=(1.0, 0.1, "share explained"),
    ...     data=(7_000, 100, "bills"),
    ...     rule=(0.0, 0.05, "share that months x fee leaves unexplained"),
    ...     errors=(0.0, 0.05, "share of wrong bills that is borne"))
    >>> card.appropriate, card.verdict
    (False, 'no: use the rule, formula or query')
    """

    wish: str
    evidence: list[Evidence]

    def __post_init__(self):
        """Stop a card with a question left out."""
        asked = [one.ask for one in self.evidence]
        if sorted(ask.name for ask in asked) != sorted(ask.name for ask in Ask):
            raise ValueError(
                f"A card answers each of {', '.join(ask.name for ask in Ask)} once; got "
                f"{', '.join(ask.name for ask in asked) or 'none'}. Give one Evidence for each."
            )

    @classmethod
    def of(
        cls,
        wish: str,
        *,
        decision: tuple[float, float, str],
        pattern: tuple[float, float, str],
        data: tuple[float, float, str],
        rule: tuple[float, float, str],
        errors: tuple[float, float, str],
    ) -> Suitability:
        """Return the card of five answers, each as `(figure, at_least, what)` of `Evidence`."""
        answers = (decision, pattern, data, rule, errors)
        return cls(wish, [Evidence(ask, *one) for ask, one in zip(Ask, answers, strict=True)])

    @property
    def appropriate(self) -> bool:
        """Whether every answer is yes."""
        return all(one.yes for one in self.evidence)

    @property
    def verdict(self) -> str:
        """Return "yes", or "no" with what to do instead: that of the first question failed."""
        failed = [ask for ask in Ask if not self._of(ask).yes]
        return f"no: {failed[0].instead}" if failed else "yes"

    def table(self) -> pd.DataFrame:
        """Return the card, one row a question: `question`, `measured`, `figure`, `at least`, `answer`."""
        answers = [self._of(ask) for ask in Ask]
        return pd.DataFrame(
            {
                "question": [one.ask.value for one in answers],
                "measured": [one.what for one in answers],
                "figure": [_figure(one.figure) for one in answers],
                "at least": [_figure(one.at_least) for one in answers],
                "answer": ["yes" if one.yes else "no" for one in answers],
            }
        )

    def _of(self, ask):
        """Return the answer to one question."""
        return next(one for one in self.evidence if one.ask is ask)


def _figure(value):
    """Write a count whole and a share with three digits."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
