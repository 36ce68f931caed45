"""The telecom operator: what a lesson takes of it beside `helpers.worlds.Operator`."""

from helpers.worlds.operator.telco import write_telco_csv
from helpers.worlds.operator.truth import OperatorTruth
from helpers.worlds.operator.world import call_nobody

__all__ = ["OperatorTruth", "call_nobody", "write_telco_csv"]
