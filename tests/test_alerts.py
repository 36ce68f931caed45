"""`helpers.monitoring.alerts`: a broken promise rings and says where to look."""

import numpy as np
import pytest

from helpers.lifecycle import Stage, Trigger
from helpers.monitoring.alerts import Alert, check_criterion
from helpers.problem import SuccessCriterion

FLOOR = SuccessCriterion("accuracy", 0.8, population="all customers", window="each month")


@pytest.mark.parametrize("value", [0.8, 0.81, 1.0])
def test_a_kept_promise_is_silent(value):
    assert check_criterion(FLOOR, value) is None


@pytest.mark.parametrize(("value", "said"), [(0.7, "0.700"), (0.79, "0.790"), (np.nan, "nan")])
def test_a_broken_promise_rings_with_the_figure_the_floor_and_for_whom(value, said):
    alert = check_criterion(FLOOR, value)
    assert alert == Alert(
        Trigger.PERFORMANCE_DROP,
        f"accuracy is {said}, below the agreed 0.8 on all customers, each month",
        Trigger.PERFORMANCE_DROP.causes,
    )


def test_an_alert_lists_causes_in_more_than_one_stage_because_it_is_no_diagnosis():
    stages = {cause.reopens for cause in check_criterion(FLOOR, 0.5).check}
    assert stages == set(Stage)
