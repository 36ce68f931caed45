"""One page of results and pictures for a run, and one page a notebook; all open without a network."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from helpers.course.runner.run import Result
from helpers.course.runner.shelf import figures_of, has_tag, read_notebook
from helpers.files import write_whole

TEMPLATES = Path(__file__).parents[1] / "templates"


def write_pages(results: list[Result], output: Path) -> Path:
    """Write `index.html` and a page for each executed notebook; return the index.

    Parameters
    ----------
    results : what `run_notebooks` returned for `output`.
    output : the folder that holds the executed notebooks.

    Returns
    -------
    The path of `index.html`. It is written last: it never links to a page that is not there.
    """
    from jinja2 import Environment, FileSystemLoader

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    page, index = environment.get_template("page.html"), environment.get_template("index.html")
    cards = []
    for position, result in enumerate(results):
        card = {"result": result, "page": "", "headlines": [], "picture": ""}
        executed = output / f"{result.notebook}{'' if result.passed else '.failed'}.ipynb"
        if executed.is_file():
            notebook = read_notebook(executed)
            card["page"] = f"{result.notebook}.html"
            card["headlines"] = headlines(notebook)
            card["picture"] = headline_picture(notebook)
            neighbours = {
                "before": results[position - 1] if position else None,
                "after": results[position + 1] if position + 1 < len(results) else None,
            }
            text = page.render(result=result, body=_body(notebook), css=_css(), **neighbours)
            write_whole(output / card["page"], without_home(text))
        cards.append(card)
    passed = sum(result.passed for result in results)
    text = index.render(cards=cards, passed=passed, total=len(results), css=_css())
    return write_whole(output / "index.html", without_home(text))


def without_home(text: str) -> str:
    """Return `text` with paths from this folder, or from ``~``: pages are shown to others.

    Examples
    --------
    >>> without_home(f"in {Path.cwd()}/runs and {Path.home()}/data")
    'in runs and ~/data'
    """
    for folder, instead in ((Path.cwd(), ""), (Path.home(), "~/")):
        if folder.name:
            text = re.sub(rf"{re.escape(str(folder))}[/\\]+", instead, text)
    return text


def headlines(notebook: NotebookNode) -> list[str]:
    """Return the sentences (Markdown) of the cells tagged `headline`."""
    return [
        output.data["text/markdown"]
        for cell in notebook.cells
        if cell.cell_type == "code" and has_tag(cell, "headline")
        for output in cell.outputs
        if "text/markdown" in output.get("data", {})
    ]


def headline_picture(notebook: NotebookNode) -> str:
    """Return the picture of the cell tagged `headline-picture`, else the first, as HTML; "" for none."""
    shown = [cell for cell in notebook.cells if figures_of(cell)]
    best = [cell for cell in shown if has_tag(cell, "headline-picture")]
    markup = figures_of([*best, *shown][0])[0] if shown else ""
    return re.sub(r"<figcaption>.*?</figcaption>", "", markup, flags=re.DOTALL)


def _body(notebook):
    """Return the notebook as HTML without a page around it."""
    from nbconvert import HTMLExporter

    # Links between lessons lead to the pages beside this one.
    linked = nbformat.from_dict(notebook)
    for cell in linked.cells:
        if cell.cell_type == "markdown":
            cell.source = re.sub(r"\((\d\d[a-z]?_\w+)\.ipynb", r"(\1.html", cell.source)
    exporter = HTMLExporter(template_name="basic", exclude_input_prompt=True)
    exporter.exclude_output_prompt = True
    exporter.exclude_anchor_links = True
    body, _ = exporter.from_notebook_node(linked)
    return body


def _css():
    """Return the style of all pages, the colours of code included."""
    from pygments.formatters import HtmlFormatter

    return (TEMPLATES / "style.css").read_text(encoding="utf-8") + HtmlFormatter(
        style="default"
    ).get_style_defs(".highlight")
