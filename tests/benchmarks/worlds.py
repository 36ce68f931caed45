"""How fast, how large and how real the two worlds are: the comparisons of `lifecycle bench worlds`.

The simple recommenders are put in order on the simulated shop and on real reviews. "Content" there
is TF-IDF of the words of a product's name. With the words of the brand as well it would come first
on the real file (NDCG@10 of 0.0214), and the two orders would agree less: customers there stay with
a brand more than the words of a name tell.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from pandas import DataFrame
from scipy import sparse
from scipy.stats import kendalltau

from benchmarks.measure import Measure, alone
from helpers.course.fetch import data_folder
from helpers.course.runner.shelf import find_folder

SEEDS = range(1, 21)
_SPLIT = pd.Timestamp("2022-10-01")  # of the real reviews; the simulated year ends with a quarter
_RECENT = pd.Timedelta(days=30)
_SHRINK = 100.0
_TREND = 0.5

# Built in a process of its own, which prints CPU seconds (other work on the machine does not count)
# and the most memory it held, in MB.
_BUILD = """
import sys, time
from benchmarks.measure import most_held
from helpers.worlds import Operator, Shop
kind, size, products, months = sys.argv[1], *map(int, sys.argv[2:])
started = time.process_time()
if kind == "shop":
    world = Shop(customers=size, products=products, seed=1)
    show = lambda context: context.sessions[["session_id"]].merge(
        context.products[["product_id"]].head(10).assign(rank=range(1, 11)), how="cross")
else:
    world = Operator(subscribers=size, seed=1)
    show = lambda customers: customers[["customerID"]].assign(churn_probability=0.2, call=False)
for month in range(1, months + 1):
    world.play(month, show)
print(time.process_time() - started, most_held())
"""


def bench_worlds() -> list[Measure]:
    """Measure both worlds: the curve of time over size, and how near they are to real data.

    What needs the real files is left out where they are absent.
    """
    data = data_folder(find_folder().parent)
    return [*speed(), *transfer(data), *order_of_recommenders(data), *distances()]


def speed() -> list[Measure]:
    """Time the default worlds and a curve of sizes; cost a customer has to stay what it is."""
    default = [
        _built("shop", 3_500, 300, 0, "the default Shop", "under 1 s", 1),
        _built("operator", 4_000, 0, 0, "the default Operator", "under 1 s", 1),
    ]
    curve = []
    for kind in ("shop", "operator"):
        first = None
        for size in (3_125, 12_500, 50_000):
            seconds, _ = _build(kind, size, 300, 0)
            each = 1e6 * seconds / size
            first = first or each
            curve.append(
                Measure(
                    f"{kind}, {size:,} customers, history", each, first, "the smallest",
                    "CPU µs a customer", "at most 1.5 x the smallest", each <= 1.5 * first,
                )
            )  # fmt: skip
    large = [
        _built("shop", 100_000, 2_000, 0, "Shop, 100,000 x 2,000, history", "under 60 s", 60),
        _built("shop", 100_000, 2_000, 12, "the same and 12 months", "under 60 s", 60),
        _built("operator", 100_000, 0, 12, "Operator, 100,000, and 12 months", "under 60 s", 60),
    ]  # fmt: skip
    return [m for pair in (*default, *large) for m in pair] + curve


def transfer(data: Path) -> list[Measure]:
    """Train the churn model on the simulated operator and test it on the real file."""
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    from helpers.etl.businesses import clean_telco, read_telco
    from helpers.training.churn import logistic
    from helpers.worlds import Operator

    path = data / "telco_customer_churn.csv"
    if not path.is_file():
        return []
    real = clean_telco(read_telco(path)[0])
    simulated = clean_telco(Operator(seed=1).history()["customers"])
    model = logistic().fit(simulated, simulated["Churn"].eq("Yes"))
    churned = real["Churn"].eq("Yes")
    auc = roc_auc_score(churned, model.predict_proba(real)[:, 1])
    folds = StratifiedKFold(5, shuffle=True, random_state=7)
    inside = cross_val_predict(logistic(), real, churned, cv=folds, method="predict_proba")[:, 1]
    reference = roc_auc_score(churned, inside)
    return [
        Measure(
            "AUC on the real Telco file, trained on the simulated", float(auc), float(reference),
            "trained on the real file", "", "at least 0.82", auc >= 0.82,
        )
    ]  # fmt: skip


def order_of_recommenders(data: Path) -> list[Measure]:
    """Compare the order of five simple recommenders, by NDCG@10, on simulated and real shops."""
    reviews = data / "sephora_a_reviews.csv.gz"
    if not reviews.is_file():
        return []
    log, products = _real_reviews(data)
    real = ndcg_of_recommenders(log, products, _SPLIT)
    simulated = DataFrame([ndcg_of_recommenders(*_simulated_reviews(seed)) for seed in SEEDS])
    tau = simulated.apply(lambda row: kendalltau(row, real).statistic, axis=1).mean()
    lines = [
        Measure(
            f"NDCG@10, {name}", simulated[name].mean(), real[name], "real reviews", "", "the order", None
        )
        for name in real.sort_values().index
    ]  # fmt: skip
    goal = f"at least 0.8 over {len(SEEDS)} seeds"
    return [*lines, Measure("Kendall's tau of the order", tau, None, "", "", goal, tau >= 0.8)]


def distances() -> list[Measure]:
    """List how far each figure lies from the real one, and then the distances fact by fact."""
    from helpers.worlds import Operator, Shop
    from helpers.worlds import calibration as held

    tables = Shop().history(), Operator().history()["customers"]
    figures = [
        Measure(
            f"{row['business']}: {row['fact']}", row["simulated"], row["real"], "real", "",
            "the same", None,
        )
        for row in held.calibration(*tables).to_dict("records")
    ]  # fmt: skip
    return figures + [
        Measure(
            f"distance, {row['business']}: {row['fact']}", row["distance"], None, "", "",
            row["measured as"], None,
        )
        for row in held.distances(*tables).to_dict("records")
    ]  # fmt: skip


def ndcg_of_recommenders(log: DataFrame, products: DataFrame, split: pd.Timestamp) -> pd.Series:
    """Return the NDCG@10 of five simple recommenders under a time split.

    Parameters
    ----------
    log : what was liked, one row a user and item: `user`, `item`, `day`.
    products : `item` and `words`, those of its name.
    split : items liked before it are learnt from; those from then on are to be found.

    Returns
    -------
    popular (of all time), content (TF-IDF of the words of the name), neighbours (items liked by the same
    users: TF-IDF cosine, shrunk), recent (popular in the last 30 days), neighbours + trend. Over
    users on both sides of the split; what a user liked before is not shown again. A user's likes
    count half as much one step back in time.
    """
    train, test = log[log["day"] < split], log[log["day"] >= split]
    users, items = pd.Index(train["user"].unique()), pd.Index(products["item"])
    who, what = users.get_indexer(train["user"]), items.get_indexer(train["item"])
    steps = train.sort_values("day", kind="stable").groupby("user").cumcount(ascending=False)
    shape = (len(users), len(items))
    likes = sparse.csr_matrix((np.ones(len(who)), (who, what)), shape=shape)
    fading = sparse.csr_matrix(
        (0.5 ** steps.reindex(train.index).to_numpy(), (who, what)), shape=shape
    )
    wanted = test[test["user"].isin(users)].groupby("user")["item"].agg(list)
    rows = users.get_indexer(wanted.index)
    wanted = [set(items.get_indexer(found).tolist()) for found in wanted]
    seen = likes[rows].nonzero()
    popular = np.bincount(what, minlength=len(items)).astype(float)
    recent = np.bincount(what[train["day"] >= split - _RECENT], minlength=len(items)).astype(float)
    near = np.asarray((fading[rows] @ _neighbours(likes)).todense())
    pages = _unit_rows(_tf_idf(products["words"]))
    content = np.asarray(((fading[rows] @ pages) @ pages.T).todense())
    scores = {
        "popular": np.tile(popular, (len(rows), 1)),
        "content": content,
        "neighbours": near,
        "recent": np.tile(recent, (len(rows), 1)),
        "neighbours + trend": _of_best(near) + _TREND * recent / max(1.0, recent.max()),
    }
    return pd.Series({name: _ndcg(score, popular, seen, wanted) for name, score in scores.items()})


def _ndcg(score, popular, seen, wanted, k=10):
    """Return the mean NDCG@k; ties go to the more popular item."""
    score = _of_best(score) + 1e-9 * popular / popular.max()
    score[seen] = -np.inf
    best = np.argsort(-score, axis=1, kind="stable")[:, :k].tolist()
    worth = 1 / np.log2(np.arange(2, k + 2))
    shares = [
        sum(worth[rank] for rank, item in enumerate(shown) if item in likes)
        / worth[: min(k, len(likes))].sum()
        for shown, likes in zip(best, wanted, strict=True)
    ]
    return float(np.mean(shares))


def _neighbours(likes):
    """Return how alike items are, by who liked them: TF-IDF cosine over users, shrunk."""
    known = np.maximum(1, np.asarray(likes.sum(axis=0)).ravel())
    weighted = _unit_rows(likes @ sparse.diags(np.log(likes.shape[0] / known)))
    together = (weighted.T @ weighted).tocoo()
    length = np.sqrt(together.diagonal())
    alike = together.data / (length[together.row] * length[together.col] + _SHRINK)
    alike[together.row == together.col] = 0
    return sparse.csr_matrix((alike, (together.row, together.col)), shape=together.shape)


def _tf_idf(pages):
    """Return TF-IDF of lists of words, pages x words."""
    word, names = pd.factorize(pages.explode().to_numpy(dtype=object), sort=True)
    page = np.repeat(np.arange(len(pages)), pages.str.len())
    count = sparse.csr_matrix((np.ones(len(word)), (page, word)), shape=(len(pages), len(names)))
    pages_with = np.maximum(1, np.asarray((count > 0).sum(axis=0)).ravel())
    return count @ sparse.diags(np.log(len(pages) / pages_with) + 1)


def _unit_rows(table):
    """Scale rows to length 1."""
    length = np.sqrt(np.asarray(table.multiply(table).sum(axis=1)).ravel())
    return sparse.diags(1 / np.maximum(length, 1e-12)) @ table


def _of_best(score):
    """Divide each row by its largest score."""
    return score / np.maximum(score.max(axis=1, keepdims=True), 1e-12)


def _real_reviews(data):
    """Return reviews of four or five stars and the words of the products' names."""
    reviews = pd.read_csv(data / "sephora_a_reviews.csv.gz", parse_dates=["date"])
    products = pd.read_csv(data / "sephora_a_products.csv.gz")
    log = reviews[reviews["rating"] >= 4]
    log = log.rename(columns={"user_id": "user", "product_id": "item", "date": "day"})
    return log, _pages(products["product_id"], products["product_name"])


def _simulated_reviews(seed):
    """Return the same of a simulated shop, and the day that leaves a quarter for the test."""
    from helpers.worlds import Shop

    history = Shop(seed=seed).history()
    ratings = history["ratings"]
    log = ratings[ratings["rating"] >= 4].drop_duplicates(["customer_id", "product_id"])
    log = log.rename(columns={"customer_id": "user", "product_id": "item", "known_at": "day"})
    products = history["products"]
    return log, _pages(products["product_id"], products["name"]), pd.Timestamp("2024-07-01")


def _pages(items, names):
    """Return the words of each product's name."""
    return DataFrame({"item": items, "words": names.str.lower().str.split()})


def _built(kind, size, products, months, what, goal, limit):
    """Return the time and the memory of one world as two measures."""
    seconds, megabytes = _build(kind, size, products, months)
    return (
        Measure(what, seconds, None, "", "CPU s", goal, seconds < limit),
        Measure(f"{what}, memory", megabytes, None, "", "MB", "under 4,000 MB", not megabytes >= 4000),
    )  # fmt: skip


def _build(kind, size, products, months):
    """Build a world in a process of its own; return CPU seconds and MB."""
    seconds, megabytes = alone(_BUILD, kind, size, products, months).split()
    return float(seconds), float(megabytes)
