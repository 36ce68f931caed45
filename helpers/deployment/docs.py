"""Stage 5: the documentation of a service, written from the very types that check its requests."""

from __future__ import annotations

import json
from collections.abc import Mapping
from html import escape
from typing import Any

import msgspec

from helpers.deployment.answers import TRACE

# What a refusal means, by status. Which of them a path can give follows from what it asks for.
STATUSES = {
    400: "The body is no JSON or says a key twice, or the request id has another form.", 401: "No key of this service.", 403: "The key does not open this.",
    404: "There is no such version.", 409: "No version served before.", 413: "The body is too large.",
    415: "The body is packed, or not announced as JSON.", 422: "The body has another form than is documented.",
    429: "The key is used too fast; `retry-after` says when to come again.", 503: "Nothing can answer now; send it again later.",
}  # fmt: skip
_STYLE = "body{font:16px/1.5 system-ui;max-width:60rem;margin:2rem auto;padding:0 1rem}code,pre,textarea{font:14px monospace}pre{background:#f3f3f3;padding:.7rem;overflow:auto}table{border-collapse:collapse}td,th{text-align:left;padding:.1rem 1rem .1rem 0;vertical-align:top}textarea{width:100%;height:9rem}"
_SCRIPT = """
for (const form of document.forms) form.onsubmit = async event => {
  event.preventDefault()
  const {method, path} = form.dataset, body = form.elements.body
  const headers = {Authorization: 'Bearer ' + document.getElementById('key').value}
  if (body) headers['Content-Type'] = 'application/json'
  const answer = await fetch(path, {method, headers, body: body && body.value})
  form.querySelector('pre').textContent = answer.status + '\\n' + await answer.text()
}
"""


_TRACE = {
    "name": "X-Request-ID", "in": "header", "description": "Finds the request in the log, so it may name nobody; the answer has it, too.",
    "schema": {"type": "string", "pattern": TRACE, "maxLength": 100, "examples": ["web-17"]},
}  # fmt: skip


class Refusal(msgspec.Struct):
    """Why a request is not answered; `error` is for programs, `message` for people, `trace` finds it in the log."""

    error: str
    message: str
    trace: str


def openapi(routes: Mapping[str, Any]) -> dict:
    """Return what answers where, and in which form, as OpenAPI 3.1 has it.

    Parameters
    ----------
    routes : path -> what answers there, with `method`, `scope`, `kind`, `about`, `takes` and `gives`.

    Examples
    --------
    >>> openapi({})["openapi"]
    '3.1.0'
    """
    types = [one for route in routes.values() for one in (route.takes, route.gives) if one] + [Refusal]  # fmt: skip
    forms, schemas = msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}")  # fmt: skip
    form_of = dict(zip(types, forms, strict=True))
    paths: dict[str, dict] = {}
    for path, route in routes.items():
        refusals = [400] + [413, 415, 422] * bool(route.takes) + [401, 403, 429] * bool(route.scope)
        refusals += route.refusals
        said = route.kind.decode().partition(";")[0]
        good = {"schema": form_of[route.gives] if route.gives else {"type": "string"}}
        one = {
            "summary": route.about,
            "parameters": [_TRACE],
            "responses": {"200": {"description": "The answer.", "content": {said: good}}},
        }
        for status in sorted(refusals):
            content = {"application/json": {"schema": form_of[Refusal]}}
            one["responses"][str(status)] = {"description": STATUSES[status], "content": content}
        if route.takes:
            example = _example(schemas, form_of[route.takes])
            body = {"schema": form_of[route.takes], "example": example}
            one["requestBody"] = {"required": True, "content": {"application/json": body}}
        if route.scope:
            one["security"] = [{"key": []}]
            one["description"] = f"Needs a key of the scope `{route.scope}`."
        paths[path] = {route.method.lower(): one}
    security = {"key": {"type": "http", "scheme": "bearer", "description": "A key of this service."}}  # fmt: skip
    about = {"title": "ML Lifecycle Lab", "version": "1", "description": "Scores for the operator, lists of products for the shop."}  # fmt: skip
    components = {"schemas": schemas, "securitySchemes": security}
    return {"openapi": "3.1.0", "info": about, "paths": paths, "components": components}


def _example(schemas, form):
    """Return a value of a form, from the examples of its fields."""
    if "$ref" in form:
        form = schemas[form["$ref"].rpartition("/")[2]]
    if form.get("examples"):
        return form["examples"][0]
    if "anyOf" in form:
        return _example(schemas, form["anyOf"][0])
    if form.get("type") == "array":
        return [_example(schemas, form["items"])]
    if form.get("type") == "object":
        names = form.get("properties", {})
        return {name: _example(schemas, one) for name, one in names.items() if "null" not in str(one.get("anyOf", "")) or name in form.get("required", [])}  # fmt: skip
    return form.get("default", form.get("enum", ["text"])[0])


def page(api: dict) -> bytes:
    """Return the documentation as one page that loads nothing from anywhere.

    Examples
    --------
    >>> b"<h1>ML Lifecycle Lab</h1>" in page(openapi({}))
    True
    """
    parts = [f"<!doctype html><html lang=en><meta charset=utf-8><title>{api['info']['title']}</title><style>{_STYLE}</style>"]  # fmt: skip
    parts += [f"<h1>{api['info']['title']}</h1><p>{api['info']['description']} The same for programs: <a href=openapi.json>openapi.json</a>."]  # fmt: skip
    parts += ["<p><label>Your key <input id=key size=60></label>"]
    for path, methods in api["paths"].items():
        for method, one in methods.items():
            parts.append(f"<h2><code>{method.upper()} {escape(path)}</code></h2><p>{escape(one['summary'])} {escape(one.get('description', ''))}")  # fmt: skip
            body = ""
            if "requestBody" in one:
                asked = one["requestBody"]["content"]["application/json"]
                parts.append(_fields(api["components"]["schemas"], asked["schema"]))
                body = f"<textarea name=body>{escape(json.dumps(asked['example'], indent=1))}</textarea>"  # fmt: skip
            parts.append("<table>")
            for status, what in one["responses"].items():
                parts.append(f"<tr><td>{status}<td>{escape(what['description'])}")
            parts.append(f"</table><form data-method={method.upper()} data-path='{escape(path)}'>{body}<p><button>Try it</button><pre></pre></form>")  # fmt: skip
    return "".join([*parts, f"<script>{_SCRIPT}</script></html>"]).encode()


def _fields(schemas, form):
    """Return a table of the fields of a form."""
    form = schemas[form["$ref"].rpartition("/")[2]]
    rows = []
    for name, one in form["properties"].items():
        needed = "needed" if name in form.get("required", []) else "may be left out"
        said = {key: value for key, value in one.items() if key != "examples"}
        rows.append(f"<tr><td><code>{escape(name)}</code><td>{needed}<td><code>{escape(json.dumps(said))}</code>")  # fmt: skip
        if "$ref" in one:
            rows.append(f"<tr><td><td colspan=2>{_fields(schemas, one)}")
    return f"<table>{''.join(rows)}</table>"
