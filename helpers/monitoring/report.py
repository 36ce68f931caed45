"""Monitoring: one page for whoever was not there: what rang, the pictures, the figures."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from html import escape

from pandas import DataFrame

_STYLE = """
body { font: 16px/1.5 system-ui, "Segoe UI", Roboto, sans-serif; color: #1c2733; max-width: 62rem; margin: 0 auto; padding: 1.5rem; }
h1, h2 { line-height: 1.2; } img { max-width: 100%; height: auto; } figure { margin: 1rem 0; }
figcaption, .none { color: #5a6872; } .scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .9rem; } th, td { padding: .3rem .7rem; border-bottom: 1px solid #dde3e8; text-align: left; vertical-align: top; }
.alarm { border-left: 4px solid #b03a00; background: #fdf1ea; padding: .5rem .9rem; margin: .5rem 0; }
"""


def page(
    pictures: Mapping[str, tuple[bytes, str]],
    tables: Mapping[str, DataFrame],
    alerts: DataFrame,
    title: str = "The month",
) -> str:
    """Return a report as one HTML page that opens without a network.

    Parameters
    ----------
    pictures : what each shows (its caption) -> its PNG, and a sentence for readers who cannot see it.
    tables : heading -> table; an empty one says that nothing was found.
    alerts : one row an alarm, the gravest first; `because` is its sentence, the other columns are told
        below it.
    title : of the page.

    Raises
    ------
    ValueError
        If a picture is no PNG or has no sentence, or the alerts have no `because`.

    Examples
    --------
    >>> text = page({}, {"Rows": DataFrame({"table": ["<orders>"]})}, DataFrame({"because": []}), "May")
    >>> "Nothing rang." in text, "&lt;orders&gt;" in text
    (True, True)
    """
    if "because" not in alerts:
        raise ValueError(f"alerts need a column because, the sentence of each; got {', '.join(map(str, alerts.columns)) or 'no column'}. Add it.")  # fmt: skip
    parts = [f"<h1>{escape(title)}</h1>", *_alarms(alerts)]
    for caption, (picture, alt) in pictures.items():
        if not bytes(picture[:4]) == b"\x89PNG" or not alt.strip():
            raise ValueError(f"the picture {caption!r} should be the bytes of a PNG, with a sentence that says what is seen; got {bytes(picture[:4])!r} and {alt!r}. Save it with savefig(..., format='png').")  # fmt: skip
        image = f'<img alt="{escape(alt)}" src="data:image/png;base64,{base64.b64encode(picture).decode()}">'
        parts.append(f"<figure>{image}<figcaption>{escape(caption)}</figcaption></figure>")
    for heading, table in tables.items():
        shown = table.to_html(index=False, border=0, float_format="{:,.4g}".format, na_rep="")
        told = (
            f'<div class="scroll">{shown}</div>'
            if len(table)
            else '<p class="none">Nothing found.</p>'
        )
        parts.append(f"<h2>{escape(heading)}</h2>{told}")
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{escape(title)}</title>'
    return f'<!doctype html>\n<html lang="en"><head>{head}<style>{_STYLE}</style></head>\n<body>\n' + "\n".join(parts) + "\n</body></html>\n"  # fmt: skip


def _alarms(alerts):
    """Yield a box for each alarm."""
    if alerts.empty:
        yield '<p class="none">Nothing rang.</p>'
    for row in alerts.to_dict("records"):
        because = escape(str(row.pop("because")))
        told = "; ".join(f"{escape(str(name))}: {escape(f'{value:,.4g}' if isinstance(value, float) else str(value))}" for name, value in row.items() if value == value and str(value))  # fmt: skip
        yield f'<div class="alarm"><strong>{because}</strong><br>{told}</div>'
