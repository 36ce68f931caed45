"""Sentences with computed digits: no number in a lesson's text is typed by hand."""

from __future__ import annotations

from IPython.display import display


def say(text: str, **figures: float | int | str) -> None:
    """Display `text` as Markdown, its `{...}` fields filled with `figures`.

    The figures also travel in the output's metadata, so that a batch of runs can be gathered into
    one table without reading prose.

    Parameters
    ----------
    text : Markdown with format fields, such as ``"AUC **{auc:.3f}**"``.
    figures : one value per field; numbers are stored with six significant digits.

    Raises
    ------
    KeyError
        If a field has no figure.

    Examples
    --------
    >>> say("{rows:,} customers, {churned:.1%} of them gone.", rows=7043, churned=0.26537)
    7,043 customers, 26.5% of them gone.
    """
    sentence = text.format(**figures)
    facts = {name: _plain(value) for name, value in figures.items()}
    show_output(sentence, {"text/markdown": sentence}, {"figures": facts})


def show_output(plain: str, data: dict[str, str], metadata: dict | None = None) -> None:
    """Display `data` (MIME type -> content) where a notebook can, and `plain` anywhere else."""
    display(_Output(plain, data, metadata or {}))


class _Output:
    """What a cell shows: rich in a notebook, plain text in a terminal."""

    def __init__(self, plain, data, metadata):
        self.plain, self.data, self.metadata = plain, data, metadata

    def __repr__(self):
        return self.plain

    def _repr_mimebundle_(self, include=None, exclude=None):
        return {"text/plain": self.plain, **self.data}, self.metadata


def _plain(value):
    """Turn a NumPy scalar into the Python number that JSON can hold, six digits of it."""
    value = value.item() if hasattr(value, "item") else value
    return float(f"{value:.6g}") if isinstance(value, float) else value
