"""The telecom operator: what a lesson takes of it beside `helpers.worlds.Operator`."""

from helpers.worlds.operator.telco import write_telco_csv
from helpers.worlds.operator.truth import OFFER, OperatorTruth
from helpers.worlds.operator.world import STORIES, STORY, call_nobody

__all__ = ["OFFER", "STORIES", "STORY", "OperatorTruth", "call_nobody", "write_telco_csv"]
