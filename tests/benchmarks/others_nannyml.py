"""Runs in NannyML's own environment: judge each case with its defaults, say what rings.

Not imported by anything of ours; called with the files of the cases and of the signals to write.
"""

import sys
import time
import warnings

import nannyml as nml
import pandas as pd

warnings.filterwarnings("ignore")
_KEYS = ["session_id", "customerID"]


def rang(kind, calculator, reference, current):
    """Return which columns, or which figures, rang in any of the ten chunks of a month, and in most of them."""
    told = calculator.fit(reference).calculate(current) if hasattr(calculator, "calculate") else calculator.fit(reference).estimate(current)  # fmt: skip
    table = told.filter(period="analysis").to_df()
    alerts = table.loc[:, [one for one in table.columns if one[-1] == "alert"]]
    shares = alerts.fillna(False).astype(bool).mean()
    often = [f"most.{one[0]}" for one in shares.index[shares > 0.5] if kind == "drift"]
    return sorted({*often, *(f"{kind}.{one[0]}" for one in shares.index[shares > 0])})


def main(asked, told):
    """Judge each case; a crash is a signal."""
    cases, rows = pd.read_csv(asked, keep_default_na=False), []
    for case in cases.to_dict("records"):
        found, took = ["crash"] if case["broken"] else [], 0.0
        if not case["broken"]:
            reference, current = (pd.read_parquet(f"{case[one]}.wide.parquet") for one in ("reference", "current"))  # fmt: skip
            columns = [one for one in reference if one not in _KEYS and reference[one].notna().any()]  # fmt: skip
            words = [one for one in columns if reference[one].dtype == object]
            passes = [
                ("drift", nml.UnivariateDriftCalculator(columns, treat_as_categorical=words), reference, current),
                ("quality", nml.MissingValuesCalculator(columns), reference, current),
                ("quality", nml.UnseenValuesCalculator(words), reference, current),
            ]  # fmt: skip
            if case["business"] == "operator":
                passes.append(("performance", *_without_labels(case, current)))
            for kind, calculator, then, now in passes:
                began = time.process_time()
                try:
                    found += rang(kind, calculator, then, now)
                except Exception:  # the tool's own, whatever it is
                    found += [f"{kind}.crash", *(["most.crash"] if kind == "drift" else [])]
                took += time.process_time() - began
        rows += [(case["case"], signal, 0.0) for signal in found] + [(case["case"], "", took)]
    pd.DataFrame(rows, columns=["case", "signal", "seconds"]).to_csv(told, index=False)


def _without_labels(case, current):
    """Return the estimate of performance and its two tables: a quiet month with the labels that came, and this one."""
    reference = pd.read_parquet(f"{case['scored']}.wide.parquet")
    labels = pd.read_parquet(f"{case['labels']}.outcomes.parquet")[["customerID", "churned"]]
    known = reference.merge(labels.drop_duplicates("customerID"), on="customerID")
    known = known.assign(churned=known["churned"].eq("True").astype(int))
    then, now = (
        one.dropna(subset=["requests.churn_probability"]).assign(leaves=lambda t: (t["requests.churn_probability"] > 0.3).astype(int))
        for one in (known, current)
    )  # fmt: skip
    estimator = nml.CBPE(
        problem_type="classification_binary", y_pred_proba="requests.churn_probability", y_pred="leaves",
        y_true="churned", metrics=["roc_auc", "accuracy"], chunk_number=10,
    )  # fmt: skip
    return estimator, then, now


if __name__ == "__main__":
    main(*sys.argv[1:])
