"""The pages of results: complete, linked, and open without a network."""

import re
from pathlib import Path

import pytest
from miniature import ALT, PICTURE, cell, store
from nbformat.v4 import new_code_cell, new_output

from helpers.course.runner.pages import write_pages
from helpers.course.runner.run import Result

SAID = "Found **10** & more"
OTHER = PICTURE.replace(ALT, "The picture that tells most of all.")


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """The index of a run in which one notebook passed and one stopped."""
    folder = tmp_path_factory.mktemp("pages")

    def tell(notebook):
        shown = [new_output("display_data", {kind: text}) for kind, text in [("text/html", PICTURE), ("text/markdown", SAID)]]  # fmt: skip
        cell(notebook, "look").outputs = shown
        cell(notebook, "look").metadata["tags"] = ["headline"]
        cell(notebook, "back").outputs = [new_output("display_data", {"text/html": OTHER})]
        cell(notebook, "back").metadata["tags"] = ["headline-picture"]
        here = f"RUNS_FOLDER = '{Path.cwd()}/runs/x'\nTELCO_CSV = '{Path.home()}/mine/x.csv'"
        tags = {"tags": ["injected-parameters"]}
        notebook.cells.insert(2, new_code_cell(here, metadata=tags))

    store(folder, tell, stem="00_the_lifecycle")
    store(folder, stem="01_bad").rename(folder / "01_bad.failed.ipynb")
    asked = {"title": "A title", "question": "Does it hold?", "seconds": 1.0, "parameters": {}}
    bad = f"ValueError: <b>bad</b> in {Path.home()}/mine"
    results = [
        Result("00_the_lifecycle", passed=True, **asked),
        Result("01_bad", passed=False, error=bad, **asked),
    ]
    return write_pages(results, folder)


def test_the_index_shows_state_question_headline_and_the_picture_that_tells_most(pages):
    index = pages.read_text(encoding="utf-8")
    assert "1 of 2 notebooks ran to their end" in index
    assert "Does it hold?" in index
    assert "Found 10 &amp; more" in index
    assert 'alt="The picture that tells most' in index
    assert ALT not in index
    assert "ValueError: &lt;b&gt;bad&lt;/b&gt;" in index


def test_no_page_says_where_on_somebodys_machine_it_was_made(pages):
    page = (pages.parent / "00_the_lifecycle.html").read_text(encoding="utf-8")
    assert "runs/x" in page
    assert "~/mine/x.csv" in page
    assert "in ~/mine" in pages.read_text(encoding="utf-8")
    for path in pages.parent.glob("*.html"):
        for folder in (Path.cwd(), Path.home()):
            assert f"{folder}/" not in path.read_text(encoding="utf-8")


def test_every_link_of_every_page_leads_to_a_page_that_is_there(pages):
    for page in pages.parent.glob("*.html"):
        for target in re.findall(r'href="([^"#]+)"', page.read_text(encoding="utf-8")):
            assert (pages.parent / target).is_file(), f"{page.name} -> {target}"


def test_no_page_asks_for_anything_outside_itself(pages):
    for page in pages.parent.glob("*.html"):
        text = page.read_text(encoding="utf-8")
        loaded = re.findall(r'(?:src|srcset)="(?!data:)([^"]*)"|url\((?!data:)([^)]*)\)', text)
        loaded += re.findall(r'<(?:script|link|iframe)[^>]*(?:src|href)="([^"]*)"', text)
        assert loaded == [], page.name


def test_a_lesson_page_holds_prose_code_output_and_its_neighbour(pages):
    page = (pages.parent / "00_the_lifecycle.html").read_text(encoding="utf-8")
    for part in ["A title", "01_bad.html", "index.html"]:
        assert part in page
    assert "<strong>10</strong>" in page
    assert 'class="highlight' in page
