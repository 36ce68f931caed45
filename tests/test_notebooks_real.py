"""The very same notebooks on IBM's customers: counted by hand there, or measured independently."""

import pytest
from conftest import ROOT, told_figures, type_lifecycle

from helpers.course.runner.parameters import read_parameters
from helpers.course.runner.shelf import all_notebooks, read_notebook


@pytest.fixture(scope="module")
def on_the_real_file(tmp_path_factory, telco_csv):
    paths = all_notebooks(ROOT / "notebooks")
    stems = [p.stem for p in paths if "TELCO_CSV" in read_parameters(read_notebook(p), p.stem)]
    assert len(stems) >= 6
    output = tmp_path_factory.mktemp("real")
    words = ["run", *stems, "-p", "TELCO_CSV", telco_csv, "--output", output]
    done = type_lifecycle(*words, cwd=output, timeout=100 * len(stems))
    assert done.returncode == 0, done.stdout + done.stderr
    return told_figures(output, stems)


@pytest.mark.slow
def test_on_the_real_file_the_counts_are_those_of_the_file(on_the_real_file):
    told = on_the_real_file
    assert told["03b_features_and_imbalance"]["left"] == pytest.approx(
        1_869 / 7_043, abs=5e-4
    )  # of a part


@pytest.mark.slow
def test_on_the_real_file_the_money_is_what_it_is_known_to_be(on_the_real_file):
    told = on_the_real_file["01b_what_a_decision_is_worth"]
    # 1,869 leavers x 30 % x 500 EUR less 7,043 calls x 20 EUR is 19,805 EUR per 1,000;
    # perfect knowledge saves the needless calls: 1,869 x 130 EUR is 34,498.
    assert told["eur"] + told["room"] == pytest.approx(34_498, abs=1)
    assert told["p"] == pytest.approx(20 / 150, abs=1e-6)


@pytest.mark.slow
def test_on_the_real_file_accuracy_falls_and_retraining_does_not_help(on_the_real_file):
    told = on_the_real_file["06b_drift_and_decay"]
    # Measured independently: 0.854 before, 0.707 in production, 0.710 after retraining.
    assert told["before"] == pytest.approx(0.854, abs=0.002)
    assert told["old"] == pytest.approx(0.707, abs=0.002)
    assert told["new"] == pytest.approx(0.710, abs=0.005)
    assert abs(told["errors"]) < 2
