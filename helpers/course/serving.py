"""The service of `lifecycle serve`: both businesses on small worlds, or a registered model in its place."""

from __future__ import annotations

import gc
import json
import os
from pathlib import Path

import uvicorn

from helpers.deployment.answers import Lists, Scoring
from helpers.deployment.registry import Loaded, served
from helpers.deployment.registry import load as load_registered
from helpers.deployment.service import SCOPES, Service, door, new_key
from helpers.training.churn import candidates
from helpers.training.recommend import ItemNeighbours, MostPopular
from helpers.training.track import tracking
from helpers.worlds import Operator, Shop

SETTINGS = "LIFECYCLE_SERVICE"  # the variable of the environment that tells the workers
_KINDS = {"1": "logistic regression", "2": "random forest"}


def load(kind: str, version: str) -> Scoring | Lists:
    """Return version 1 or 2 of a kind of model, trained anew on a small world of seed 1.

    Raises
    ------
    LookupError
        If there is no such version.
    """
    if version not in _KINDS:
        raise LookupError(f"There is no version {version!r} of {kind}; known are 1 and 2.")
    if kind == "score":
        snapshots = Operator(subscribers=1_000, seed=1).history()["snapshots"]
        known = snapshots.drop(columns=["churned", "known_at", "scored_on"])
        model = candidates(known.assign(Churn=snapshots["churned"]))[_KINDS[version]]
        return Scoring(model.fit(known, snapshots["churned"]), known, 0.3, version)
    orders = Shop(customers=1_000, products=100, seed=1).history()["orders"]
    model = (MostPopular() if version == "1" else ItemNeighbours()).fit(orders)
    customers = sorted(orders["customer_id"].unique().tolist())
    # An id that no customer has is shown what is popular with all.
    products = min(100, orders["product_id"].nunique())
    popular = MostPopular().fit(orders).recommend([-1], products).drop(columns="customer_id")
    return Lists(model.recommend(customers, 20), popular, version)


def registered(model: str, versions: str | Path) -> Loaded:
    """Return a model of the registry in the folder `versions`: "churn@champion", "churn@2", or "churn", its champion.

    Raises
    ------
    ValueError
        If no registry is there, or no such version is in it.
    """
    if not Path(versions, "mlflow.db").is_file():
        raise ValueError(
            f"{versions} holds no registry (no mlflow.db). Name the folder that `tracking` was called with, "
            "such as --versions notebooks/runs/05a_package."
        )
    name, _, which = model.partition("@")
    tracking(versions, name)
    return load_registered(name, which or "champion")


def made() -> Service:
    """Return the service of a worker; uvicorn calls it in each."""
    told = json.loads(os.environ[SETTINGS])
    if told["model"]:
        found = registered(told["model"], told["versions"])
        of_version = served(found.name)
        score = of_version("score", found.version)
    else:
        of_version, score = load, load("score", "1")

    def of(kind, version):
        return (of_version if kind == "score" else load)(kind, version)

    service = Service(told["folder"], score, load("lists", "1"), of, told["feedback"])
    gc.collect()
    gc.freeze()  # what is loaded stays: it need not be looked through again and again
    return service


def serve(settings: dict[str, str], host: str, port: int, workers: int) -> None:
    """Run the service until it is stopped.

    Parameters
    ----------
    settings : `folder` for its keys, its log and the feedback; `model` and `versions` as in
        `registered`, or "" for a small world's; `feedback`: the address of a PostgreSQL database, or "".
    host : the address it listens at; 127.0.0.1 is this machine only.
    port : there.
    workers : processes. Each counts for itself, and `/metrics` tells the figures of the one that is
        asked: where Prometheus watches, let each process have a port, or a container, of its own.
    """
    os.environ[SETTINGS] = json.dumps(settings)
    told = door(app="helpers.course.serving:made", factory=True)
    # A worker says nothing while it trains, and is not to be taken for dead.
    uvicorn.run(**told, host=host, port=port, workers=workers, timeout_worker_healthcheck=300)


def key_for(folder: Path) -> str:
    """Return a new key of that folder, good for everything."""
    return new_key(folder, "you", list(SCOPES), 10_000)
