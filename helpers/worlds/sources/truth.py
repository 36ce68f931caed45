"""What is wrong in the sources of a world, and how well it was mended. Only graders, tests and
reveals may look here."""

from __future__ import annotations

import numpy as np
import pandas as pd
from pandas import DataFrame

from helpers.worlds.play import CannotPlay
from helpers.worlds.sources.blemishes import log_table
from helpers.worlds.sources.layout import Sources

_ROWS_TO_DROP = {"duplicate row", "repeated event"}


class SourcesTruth:
    """The clean tables behind a world's sources, and every blemish that was planted.

    Examples
    --------
    >>> import tempfile
    >>> from helpers.worlds.operator.world import Operator
    >>> sources = Sources(Operator(subscribers=40, seed=7), tempfile.mkdtemp(), blemishes=2.0)
    >>> sources.lay_down()
    >>> truth = SourcesTruth(sources)
    >>> mended = truth.score("leavers", truth.clean("leavers"))
    >>> int(mended.loc["all", "left"]), int(mended.loc["sound rows", "touched"])
    (0, 0)
    """

    def __init__(self, sources: Sources):
        self._sources = sources

    def blemishes(self, source: str | None = None) -> DataFrame:
        """Return what was planted, one row a blemish.

        Returns
        -------
        `source`, `place` (file, table or endpoint), `row` (the key's value as text; "" for a whole
        file or a row that does not belong), `column` ("" for a whole row or file), `kind`, `true`
        and `written`, as plain values: a moment is ISO text.
        """
        log = self._sources.hidden.log
        if source is not None:
            self._find(source)
            log = [line for line in log if line[0] == source]
        return log_table(log)

    def clean(self, source: str) -> DataFrame:
        """Return the table behind a source, as it would be without a blemish."""
        self._find(source)
        return self._sources.hidden.clean[source].copy()

    def key(self, source: str) -> str:
        """Return the column that names a row of a source."""
        return self._sources.overview().set_index("source").loc[source, "key"]

    def score(self, source: str, cleaned: DataFrame, tolerance: float = 0.005) -> DataFrame:
        """Compare a cleaned table with the truth.

        Parameters
        ----------
        cleaned : the source's key column and any of the others, under the names of `clean`.
            Values may be typed or text.
        tolerance : how far a number may be off; readings can only be estimated.

        Returns
        -------
        One row a kind, then `all` and `sound rows`. `planted`; `repaired` (the true value stands
        there again); `quarantined` (row or value taken out); `left`; and, for rows on which nothing
        was planted, `touched`: how many are changed or lost. Blemishes of whole files count as
        repaired when most of the file's other rows are there and true. Blemishes in columns that
        the cleaned table has not count as quarantined; a gap that stays one is left. A row that the
        world itself delivered twice may be there once or twice.

        Raises
        ------
        CannotPlay
            If the key column is missing.
        """
        clean = self._sources.hidden.clean[self._find(source)]
        key = self.key(source)
        if key not in cleaned.columns:
            raise CannotPlay(
                f"the cleaned table of {source} needs its key {key} to be compared; it has "
                f"{', '.join(map(str, cleaned.columns)) or 'no columns'}: keep or add {key}."
            )
        compared = _Comparison(clean, cleaned, key, tolerance, self._sources.hidden.places[source])
        return compared.scores(self.blemishes(source))

    def _find(self, source):
        laid_down = self._sources.hidden.clean
        if source not in laid_down:
            raise CannotPlay(
                f"{source!r} is no source that was laid down; there are "
                f"{', '.join(laid_down) or 'none yet'}: name one of them."
            )
        return source


class _Comparison:
    """A cleaned table beside the true one, row by row: the first of a key by the first found."""

    def __init__(self, clean, cleaned, key, tolerance, places):
        names = [name for name in clean.columns if name in cleaned.columns and name != key]
        keys = clean[key].astype(str)
        found = cleaned.assign(**{key: _key_texts(cleaned[key], clean[key])})
        counts = found[key].value_counts()
        one = _nth(found, key, keys, counts)
        self.keys = keys.to_numpy(dtype=object)
        self.index = {name: [] for name in self.keys.tolist()}
        for place, name in enumerate(self.keys.tolist()):
            self.index[name].append(place)
        self.counts = counts.to_dict()
        self.there = counts.reindex(keys, fill_value=0).to_numpy() > 0
        self.same = {name: _same(clean[name], one[name], tolerance) for name in names}
        self.empty = {name: one[name].isna().to_numpy() for name in names}
        nothing = np.zeros(len(keys), dtype=bool)
        self.all_same = np.logical_and.reduce([~nothing, *self.same.values()])
        self.any_empty = np.logical_or.reduce([nothing, *self.empty.values()])
        self.extra = int((~found[key].isin(keys)).sum())
        self.place = np.repeat([place for place, _ in places], [rows for _, rows in places])

    def scores(self, planted):
        """Return the frame of `SourcesTruth.score`."""
        spoiled = set(planted["row"])
        sound = np.array([row not in spoiled for row in self.keys.tolist()], dtype=bool)
        touched = sound & ~(self.there & self.all_same)
        fates = planted.assign(fate=self._fates(planted, self._file_fates(sound, touched)))
        counts = pd.crosstab(fates["kind"], fates["fate"])
        counts = counts.reindex(columns=["repaired", "quarantined", "left"], fill_value=0)
        counts.loc["all"] = counts.sum()
        counts.insert(0, "planted", counts.sum(axis=1))
        counts["touched"] = 0
        lost = int((sound & ~self.there).sum())
        counts.loc["sound rows"] = [0, 0, lost, 0, int(touched.sum())]
        counts.columns.name = None
        return counts.astype(int)

    def _file_fates(self, sound, touched):
        """Return what became of each file: most of its sound rows true, none there, or neither."""
        rows = DataFrame({"sound": sound, "touched": touched, "there": self.there})
        by_place = rows.groupby(self.place).sum()
        read = by_place["touched"] <= by_place["sound"] / 2
        fate = np.select([by_place["there"] == 0, read], ["quarantined", "repaired"], "left")
        return dict(zip(by_place.index, fate, strict=True))

    def _fates(self, planted, file_fates):
        """Return what became of each blemish."""
        # Rows that do not belong cannot be told apart by a key: so many of them are still there.
        still_there = self.extra
        fates = []
        columns = ["row", "column", "kind", "true", "place"]
        for row, column, kind, true, place in planted[columns].itertuples(index=False):
            if row in self.index:
                fates.append(self._fate(row, column, kind, true))
            elif row:  # a robot's line, cut off: it belongs nowhere, whole or not
                fates.append("left" if still_there > 0 else "quarantined")
            elif true != "no row":
                fates.append(file_fates.get(place, "repaired"))
            else:
                fates.append("left" if still_there > 0 else "repaired")
                still_there -= 1
        return fates

    def _fate(self, row, column, kind, true):
        """Return what became of a blemish of one row or cell."""
        places = self.index[row]
        if not self.there[places[0]]:
            return "left" if true == "a row" else "quarantined"
        if kind in _ROWS_TO_DROP:
            return "repaired" if self.counts[row] <= len(places) else "left"
        if column and column not in self.same:
            return "quarantined"
        if (self.same[column] if column else self.all_same)[places].all():
            return "repaired"
        empty = self.empty[column] if column else self.any_empty
        return "quarantined" if empty[places].any() else "left"


def _nth(found, key, keys, counts):
    """Return the row found for each of `keys`: for a key's second row the second, if there is one."""
    wanted = keys.groupby(keys).cumcount().to_numpy()
    wanted = np.minimum(wanted, np.maximum(counts.reindex(keys, fill_value=0).to_numpy() - 1, 0))
    found = found[found[key].isin(keys)]
    numbered = found.set_index([key, found.groupby(key).cumcount().rename("nth")])
    return numbered.reindex(pd.MultiIndex.from_arrays([keys, wanted], names=[key, "nth"]))


def _key_texts(found, true):
    """Return keys as texts; whole numbers read as decimals lose their `.0`."""
    if true.dtype.kind == "i":
        numbers = pd.to_numeric(found, errors="coerce")
        whole = numbers.notna() & (numbers % 1 == 0)
        return numbers.where(whole, -1).astype("int64").astype(str).where(whole, found.astype(str))
    return found.astype(str)


def _same(true, found, tolerance):
    """Return where values agree; both missing counts as agreeing."""
    true, found = true.reset_index(drop=True), found.reset_index(drop=True)
    both_missing = (true.isna() & found.isna()).to_numpy(dtype=bool)
    if true.dtype.kind == "M":
        moments = pd.to_datetime(found, errors="coerce", format="mixed", utc=True)
        equal = moments.dt.tz_localize(None).to_numpy() == true.to_numpy()
    elif true.dtype.kind == "b":
        read = {"true": True, "1": True, "1.0": True, "false": False, "0": False, "0.0": False}
        equal = found.astype(str).str.lower().map(read).to_numpy() == true.to_numpy()
    elif true.dtype.kind in "if":
        numbers = pd.to_numeric(found, errors="coerce").to_numpy(dtype=float, na_value=np.nan)
        equal = np.abs(numbers - true.to_numpy(dtype=float, na_value=np.nan)) <= tolerance
    else:
        equal = found.astype(str).to_numpy() == true.astype(str).to_numpy()
    return np.asarray(equal, dtype=bool) | both_missing
