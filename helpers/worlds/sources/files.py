"""The files of a business: exports, event logs, surveys and forms, with their conventions.

Each function takes the planting of one month and returns the files of that month: name -> bytes.
A file's own conventions (encoding, separator, numbers) are drawn too, and noted without a row.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import json

import numpy as np

from helpers.worlds.sources import spoilers as spoil
from helpers.worlds.sources.blemishes import Planting
from helpers.worlds.sources.plan import LIKERT, Source

_ENCODINGS = ["utf-8", "utf-8-sig", "cp1252", "utf-16"]
_SEPARATORS = [",", ";", "\t"]
_NEW_NAMES = {"event_id": "id", "usage_id": "id", "event": "type", "session_id": "session",
              "product_id": "product", "rank": "position", "at": "ts", "customerID": "customer",
              "used_on": "day", "minutes": "min", "megabytes": "mb"}  # fmt: skip


def csv_export(planting: Planting, source: Source, month: int, packed: bool) -> dict[str, bytes]:
    """Return the month's CSV export; `packed` makes it a gzip file.

    Drawn for each file: encoding, separator, decimal comma, thousands separator, whether the header
    comes again in the middle, and whether a row of totals ends it.
    """
    style = _draw_style(planting, source.numbers) if source.spoils else _PLAIN
    rows = _text_rows(planting.written(), source.numbers, style)
    header = list(planting.values)
    if source.copies and len(rows) > 2 and planting.happens("repeated header"):
        planting.note("repeated header", "no row", style["separator"].join(header))
        rows.insert(len(rows) // 2, header)
    if source.copies and len(rows) and planting.happens("totals row"):
        rows.append(_totals(planting, source.numbers, style))
        planting.note("totals row", "no row", style["separator"].join(rows[-1]))
    content = _encoded(_csv_text([header, *rows], style["separator"]), style["encoding"])
    return {planting.place: packed_bytes(content) if packed else content}


def packed_bytes(content: bytes) -> bytes:
    """Return gzip bytes without a clock in them.

    Examples
    --------
    >>> packed_bytes(b"a") == packed_bytes(b"a"), gzip.decompress(packed_bytes(b"a"))
    (True, b'a')
    """
    packed = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", fileobj=packed, compresslevel=6, mtime=0) as file:
        file.write(content)
    return packed.getvalue()


def json_lines(planting: Planting, source: Source, month: int) -> dict[str, bytes]:
    """Return the month's event log, one JSON object a line.

    From month 0 on the second version of the schema is in use: other names, and `"v": 2`.
    """
    values = planting.written()
    names = [_NEW_NAMES.get(name, name) if month >= 0 else name for name in values]
    start = '{"v": 2, ' if month >= 0 else "{"
    named = zip(names, values.values(), strict=True)
    columns = [[f'"{name}": {text}' for text in _json_texts(column)] for name, column in named]
    lines = [f"{start}{', '.join(cells)}}}" for cells in zip(*columns, strict=True)]
    _damage_lines(planting, lines)
    return {planting.place: _joined(lines)}


def _json_texts(column):
    """Return each value as JSON text; each different text is written once."""
    encode = json.JSONEncoder(ensure_ascii=False).encode
    values = column.tolist()
    texts = {value: encode(value) for value in {v for v in values if type(v) is str}}
    return [texts[v] if type(v) is str else str(v) if type(v) is int else encode(v) for v in values]


def _damage_lines(planting, lines):
    """Cut some lines off, and put a comma behind others."""
    cut, comma = lambda line: line[: 14 + len(line) // 3], lambda line: line + ","
    for kind, damage in [("cut line", cut), ("trailing comma", comma)]:
        drawn = np.flatnonzero(planting.rng.random(len(lines)) < planting.rates[kind])
        for place in drawn.tolist():
            line = lines[place]
            if line.endswith("}"):
                lines[place] = damage(line)
                planting.note(kind, line, lines[place], planting.rows[planting.order[place]])


def survey(planting: Planting, source: Source, month: int) -> dict[str, bytes]:
    """Return the month's survey as CSV: five answers from 1 to 5 and a comment.

    Some skip a question, some tick the same mark all the way down, some answer on a scale of ten.
    """
    draws = planting.rng.random((2, len(planting.rows)))
    straight = draws[0] < planting.rates["straight line"]
    other_scale = ~straight & (draws[1] < planting.rates["wrong scale"])
    first = planting.values["q1"][straight].tolist()
    for name in LIKERT:
        skipped = planting.rng.random(len(straight)) < planting.rates["skipped"]
        skipped &= ~straight & ~other_scale
        planting.replace("straight line", name, straight, lambda values, rng: first)
        planting.replace("wrong scale", name, other_scale, spoil.wrong_scale)
        planting.replace("skipped", name, skipped, spoil.missing)
    return {planting.place: plain_csv(planting)}


def plain_csv(planting: Planting) -> bytes:
    """Return what is planted as CSV without whims: UTF-8, commas, decimal points."""
    rows = _text_rows(planting.written(), (), _PLAIN)
    return _csv_text([list(planting.values), *rows], ",").encode()


def forms(planting: Planting, source: Source, month: int) -> dict[str, bytes]:
    """Return the month's forms as one JSON list, as they were typed."""
    values = planting.written()
    entries = [dict(zip(values, row, strict=True)) for row in zip(*values.values(), strict=True)]
    return {planting.place: (json.dumps(entries, indent=1, ensure_ascii=False) + "\n").encode()}


_PLAIN = {"encoding": "utf-8", "separator": ",", "decimal": ".", "thousands": ""}


def _draw_style(planting, numbers):
    """Draw the conventions of one file and note those that are not plain."""
    style = dict(_PLAIN)
    if planting.happens("encoding"):
        style["encoding"] = _ENCODINGS[1 + planting.rng.integers(0, 3)]
    if planting.happens("separator"):
        style["separator"] = _SEPARATORS[1 + planting.rng.integers(0, 2)]
    if numbers and planting.happens("decimal comma"):
        style["decimal"] = ","
    if numbers and planting.happens("thousands separator"):
        style["thousands"] = "." if style["decimal"] == "," else ","
    kinds = {"decimal": "decimal comma", "thousands": "thousands separator"}
    for part, plain in _PLAIN.items():
        if style[part] != plain:
            planting.note(kinds.get(part, part), plain, style[part])
    return style


def _text_rows(values, numbers, style):
    """Return the rows as texts, amounts in the file's way of writing numbers."""
    columns = []
    for name, column in values.items():
        write = (lambda value: _amount(value, style)) if name in numbers else _text
        columns.append([write(value) for value in column.tolist()])
    return [list(row) for row in zip(*columns, strict=True)]


def _text(value):
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _amount(value, style):
    """Write a number, or the text of one, with the file's decimal and thousands signs."""
    if (isinstance(value, str) and not value[:1].isdigit()) or value is None:
        return _text(value)
    whole, dot, rest = str(value).partition(".")
    if style["thousands"]:
        whole = f"{int(whole):,}".replace(",", style["thousands"])
    return whole + (style["decimal"] if dot else "") + rest


def _totals(planting, numbers, style):
    """Return the row that sums up the amounts and calls itself a total."""
    values = planting.written()
    row = ["Total"] + [""] * (len(values) - 1)
    for place, name in enumerate(values):
        if name in numbers:
            texts = [str(value) for value in values[name].tolist()]
            row[place] = _amount(round(sum(float(t) for t in texts if t[:1].isdigit()), 2), style)
    return row


def _csv_text(rows, separator):
    text = io.StringIO()
    csv.writer(text, delimiter=separator, lineterminator="\n").writerows(rows)
    return text.getvalue()


def _encoded(text, encoding):
    """Return the bytes; UTF-16 in the same order on every machine."""
    if encoding == "utf-16":
        return codecs.BOM_UTF16_LE + text.encode("utf-16-le")
    return text.encode(encoding)


def _joined(lines):
    return "".join(f"{line}\n" for line in lines).encode()
