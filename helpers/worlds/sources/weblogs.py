"""Access logs as web servers write them: people, bots that say so, and bots that do not."""

from __future__ import annotations

import numpy as np
import pandas as pd

from helpers.worlds.sources.blemishes import Planting
from helpers.worlds.sources.files import packed_bytes
from helpers.worlds.sources.plan import BROWSERS, Source

HONEST = "CatalogueBot/2.1 (+http://127.0.0.1/bot.html)"
PROBES = ["/robots.txt", "/wp-login.php", "/.env", "/product/{}", "/category/{}"]
_BURST = 30  # requests in a row from one bot
_ROTATED = [".2.gz", ".1", ""]  # the oldest first


def access_logs(planting: Planting, source: Source, month: int) -> dict[str, bytes]:
    """Return the month's log in the combined format, rotated twice, the oldest file packed.

    A bot comes in bursts from one address, a request every second or two, and buys nothing; half of
    them name themselves. A line may be cut off where a file was rotated.
    """
    rows = pd.DataFrame(planting.written())
    bots = [_bots(planting, rows, kind) for kind in ("bot", "disguised bot")]
    for bot in bots:
        for line in _lines(bot):
            planting.note(bot.attrs["kind"], "no row", line)
    everything = pd.concat([rows, *bots], ignore_index=True)
    everything = everything.sort_values("requested_at", kind="stable", ignore_index=True)
    lines = _lines(everything)
    parts = np.array_split(np.arange(len(lines)), len(_ROTATED))
    files = {}
    for ending, part in zip(_ROTATED, parts, strict=True):
        own = [lines[place] for place in part.tolist()]
        if len(own) and planting.happens("cut line"):
            path, line = everything["path"][part[-1]], own[-1]
            own[-1] = line[: len(line) // 2]
            planting.note("cut line", line, own[-1], path)
        content = "".join(f"{line}\n" for line in own).encode()
        files[planting.place + ending] = packed_bytes(content) if ending.endswith("gz") else content
    return files


def _bots(planting, rows, kind):
    """Draw the requests of one kind of bot: bursts of thirty within a minute."""
    rng = planting.rng
    count = int(np.ceil(len(rows) * planting.rates[kind]))
    burst, place = np.arange(count) // _BURST, np.arange(count) % _BURST
    moments = pd.to_datetime(rows["requested_at"]).to_numpy().astype("M8[s]")
    starts = (
        moments[rng.integers(0, max(1, len(rows)), count // _BURST + 1)] if count else moments[:0]
    )
    at = np.datetime_as_string(starts[burst] + (2 * place).astype("m8[s]")).astype(object)
    where, number = rng.integers(0, len(PROBES), count), rng.integers(1, 400, count)
    network = "203.0.113" if kind == "bot" else "198.18.77"  # the disguised come from among people
    table = pd.DataFrame(
        {
            "path": [PROBES[w].format(n) for w, n in zip(where, number, strict=True)],
            "requested_at": at,
            "ip": [f"{network}.{10 + one % 200}" for one in burst.tolist()],
            "method": "GET",
            "status": np.where(np.isin(where, [1, 2]), 404, 200),
            "bytes": rng.integers(300, 9_000, count),
            "agent": HONEST if kind == "bot" else BROWSERS[1],
        },
        dtype=object,
    )
    table.attrs["kind"] = kind
    return table


def _lines(rows):
    """Write rows in the combined log format, in universal time."""
    months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
    columns = ["ip", "requested_at", "method", "path", "status", "bytes", "agent"]
    lines = []
    for ip, at, method, path, status, size, agent in rows[columns].itertuples(index=False):
        moment = f"{at[8:10]}/{months[int(at[5:7]) - 1]}/{at[:4]}:{at[11:]} +0000"
        request = f'"{method} {path} HTTP/1.1" {status} {size}'
        lines.append(f'{ip} - - [{moment}] {request} "-" "{agent}"')
    return lines
