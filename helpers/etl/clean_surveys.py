"""Stage 3: answers of surveys: skipped, on the wrong scale, or the same mark all the way down."""

from __future__ import annotations

from pandas import DataFrame, Series

from helpers.etl.accounting import Cleaned, Cleaning
from helpers.etl.clean_steps import read_moments, read_numbers, read_whole
from helpers.etl.schemas import LIKERT, source_schema


def clean_survey(source: str, raw: DataFrame) -> Cleaned:
    """Clean a survey of five answers from 1 to 5.

    Who answers beyond 5, and in even numbers only, took a scale of ten: the answers are halved.
    Who ticks one mark all the way down says nothing: those answers are set aside. Both rules are
    judgements: some people do mean the same mark five times, and who means 1 and 2 on a scale of
    ten writes 2 and 4, which nobody can tell from an answer on a scale of five.

    Parameters
    ----------
    source : "shop.satisfaction" or "operator.leavers".
    raw : `answer_id`, the customer, the date, `q1` to `q5`, `comment`.

    Examples
    --------
    >>> raw = DataFrame({"answer_id": [1, 2], "customer_id": [5, 6], "answered_at": ["2024-09-01"] * 2,
    ...                  "q1": [8, 3], "q2": [6, 3], "q3": [10, 3], "q4": [4, 3], "q5": [8, 3]})
    >>> clean_survey("shop.satisfaction", raw).table[["q1", "q2"]].to_numpy().tolist()
    [[4.0, 3.0], [nan, nan]]
    """
    cleaning = Cleaning(source, raw, ["answer_id", *LIKERT])
    read_whole(cleaning, "answer_id", "customer_id")
    cleaning.merge("answer_id")
    read_numbers(cleaning, *LIKERT)
    ten, same = scale_of_ten(cleaning.table), straight_line(cleaning.table)
    for column in LIKERT:
        halved = cleaning[column].where(~ten, cleaning[column] / 2)
        cleaning.repair(column, halved, "scale of ten to five")
        cleaning.set_aside(column, same, "one mark all the way down")
        cleaning.set_aside(column, ~cleaning[column].between(1, 5), "not from 1 to 5")
    if "comment" in raw:
        said = cleaning["comment"].mask(cleaning["comment"].eq(""))
        cleaning.repair("comment", said, "a blank is a gap")
    read_moments(cleaning, *[name for name in raw.columns if name.startswith("answered")])
    return cleaning.done(source_schema(source))


def scale_of_ten(answers: DataFrame) -> Series:
    """Return who answered on a scale of ten: an answer beyond 5, and even numbers only.

    Examples
    --------
    >>> answers = DataFrame([[8, 2, 4, 4, 2], [2, 4, 2, 4, 2], [5, 4, 4, 5, 3]], columns=LIKERT)
    >>> scale_of_ten(answers).tolist()
    [True, False, False]
    """
    marks = answers[LIKERT].astype("float64")
    return marks.gt(5).any(axis=1) & (marks.mod(2).eq(0) | marks.isna()).all(axis=1)


def straight_line(answers: DataFrame) -> Series:
    """Return who ticked the same mark in every question, none skipped.

    Examples
    --------
    >>> answers = DataFrame([[3, 3, 3, 3, 3], [3, 3, 3, 3, 4], [3, 3, 3, 3, None]], columns=LIKERT)
    >>> straight_line(answers).tolist()
    [True, False, False]
    """
    marks = answers[LIKERT].astype("float64")
    return marks.notna().all(axis=1) & marks.nunique(axis=1).eq(1)
