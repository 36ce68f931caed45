"""The course's look: its colours and its style, and how a picture gets into a lesson."""

from __future__ import annotations

import base64
import html
import io

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from helpers.prose import show_output

BLUE, ORANGE, GREEN, GREY = "#0072B2", "#E69F00", "#009E73", "#767676"


def use_style() -> None:
    """Give every later picture and table the course's look; a second call changes nothing."""
    plt.style.use("helpers.figures")
    pd.set_option("display.max_colwidth", None)  # a sentence in a table is not cut off


def show(picture: Figure | Axes, alt: str, caption: str = "") -> None:
    """Display a picture with a text alternative, then close it.

    Parameters
    ----------
    picture : a figure, or axes of it.
    alt : one sentence on what is seen, for readers who cannot see it; at least 20 characters.
    caption : what to take from it; shown below the picture.

    Raises
    ------
    ValueError
        If `alt` says too little.

    Examples
    --------
    >>> show(plt.figure(), alt="An empty sheet, to show the form.")
    An empty sheet, to show the form.
    """
    if len(alt.strip()) < 20:
        raise ValueError(
            f"alt is one sentence on what the picture shows, at least 20 characters; got {alt!r}. "
            "Write what a reader who cannot see it would miss."
        )
    figure = picture if isinstance(picture, Figure) else picture.figure
    stored = io.BytesIO()
    figure.savefig(stored, format="png", bbox_inches="tight", metadata={"Software": None})
    plt.close(figure)
    encoded = base64.b64encode(stored.getvalue()).decode()
    below = f"<figcaption>{html.escape(caption)}</figcaption>" if caption else ""
    image = f'<img alt="{html.escape(alt)}" src="data:image/png;base64,{encoded}">'
    show_output(alt, {"text/html": f"<figure>{image}{below}</figure>"})
