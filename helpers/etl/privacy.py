"""Stages 2 and 3: pseudonyms, consent, fields that stay behind, and k-anonymity."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from pathlib import Path

import numpy as np
from pandas import DataFrame, Series

from helpers.checks import require_columns, require_flags, require_same_kind

SECRET_BYTES = 32


def make_secret(path: str | Path) -> Path:
    """Write a new random secret, readable by its owner only; an existing one is never replaced.

    Whoever has the secret can turn pseudonyms back by trying every id; without it nobody can. So it
    lies outside the repository, is not copied into a notebook, and losing it means that old and
    new tables can no longer be joined.

    Raises
    ------
    ValueError
        If the file is there already.

    Examples
    --------
    >>> import tempfile
    >>> path = make_secret(Path(tempfile.mkdtemp()) / "secret")
    >>> len(read_secret(path))
    32
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise ValueError(
            f"{path.name} is there already; a new secret would give everybody a new pseudonym. "
            "Use it, or remove it knowingly."
        ) from error
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(secrets.token_hex(SECRET_BYTES) + "\n")
    return path


def read_secret(path: str | Path) -> bytes:
    """Read a secret that `make_secret` wrote: 32 bytes at least.

    Raises
    ------
    ValueError
        If there is none, or it is shorter.
    """
    path = Path(path)
    try:
        secret = bytes.fromhex(path.read_text(encoding="ascii").strip())
    except (OSError, ValueError) as error:
        raise ValueError(
            f"A file with a secret of {2 * SECRET_BYTES} hex digits was expected at {path.name}. "
            "Make one with make_secret."
        ) from error
    if len(secret) < SECRET_BYTES:
        raise ValueError(
            f"The secret in {path.name} has {len(secret)} bytes; {SECRET_BYTES} are needed, or it "
            "can be guessed. Make one with make_secret."
        )
    return secret


def pseudonyms(ids: Series, secret: bytes) -> Series:
    """Return a pseudonym for each id: HMAC-SHA-256 under a secret, its first 16 hex digits.

    The same id has the same pseudonym in every table, so they can be joined; a gap stays a gap. A
    plain hash would not do: ids are few, and trying them all takes a second. This is pseudonymous,
    not anonymous: rare combinations of other columns may still name a person. A whole number is the
    same id as a float, which it becomes in a column with gaps.

    Raises
    ------
    ValueError
        If two ids would share a pseudonym.

    Examples
    --------
    >>> ids = Series(["7590-VHVEG", "7590-VHVEG", None])
    >>> pseudonyms(ids, b"0" * 32).tolist()
    ['p-4652a8f2d8f90cdc', 'p-4652a8f2d8f90cdc', nan]
    """
    plain = [int(one) if isinstance(one, float) and one.is_integer() else one for one in ids]
    texts = Series(plain, index=ids.index, dtype=object).astype("str")

    def pseudonym(text):
        return f"p-{hmac.new(secret, text.encode(), hashlib.sha256).hexdigest()[:16]}"

    known = {text: pseudonym(text) for text in texts.dropna().unique().tolist()}
    if len(set(known.values())) < len(known):
        raise ValueError(
            "Two ids share a pseudonym; that is a chance of 1 in 10 billion. Make a new secret."
        )
    return texts.map(known).astype("str").rename(ids.name)


def with_consent(
    table: DataFrame, consents: DataFrame, consent: str
) -> tuple[DataFrame, DataFrame]:
    """Split rows into those whose customer agreed and the others, with a `reason`.

    The latest answer counts, and silence is no consent.

    Parameters
    ----------
    consents : `customer_id`, `consent` (True, False or a gap), in order of time. An answer without a
        customer is nobody's.

    Raises
    ------
    ValueError
        If an answer is a text or another value that is no flag, or the ids are of another kind (texts,
        numbers) than those of `table`.

    Examples
    --------
    >>> table = DataFrame({"customer_id": [1, 2, 3]})
    >>> consents = DataFrame({"customer_id": [1, 2, 2], "email_consent": [True, True, False]})
    >>> kept, refused = with_consent(table, consents, "email_consent")
    >>> kept["customer_id"].tolist(), refused["reason"].tolist()
    ([1], ['email_consent was withdrawn or refused', 'email_consent was never given'])
    """
    require_columns(table, "the table", ["customer_id"])
    require_columns(consents, "consents", ["customer_id", consent])
    asked = consents.dropna(subset=["customer_id", consent])
    require_flags(asked[consent], consent)
    ids = table["customer_id"]
    require_same_kind(ids, "the table", asked["customer_id"], "consents", "customer_id")
    latest = asked.drop_duplicates("customer_id", keep="last").set_index("customer_id")[consent]
    answer = ids.map(latest.astype("boolean")).astype("boolean")
    agreed = answer.fillna(False).to_numpy(bool)
    never, refused = f"{consent} was never given", f"{consent} was withdrawn or refused"
    reason = np.where(answer.isna(), never, refused)[~agreed].tolist()
    return table[agreed], table[~agreed].assign(reason=reason)
