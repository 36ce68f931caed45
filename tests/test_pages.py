"""The pages of results: complete, linked, and open without a network."""

import re

import pytest
from miniature import PICTURE, store, with_code

from helpers.course.runner.pages import write_pages
from helpers.course.runner.run import run_notebooks


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")

    def tell(notebook):
        with_code(
            "from IPython.display import HTML, display\nfrom helpers.prose import say\n"
            f"display(HTML('{PICTURE}'))\nsay('Found **{{rows}}** & more', rows=ROWS)"
        )(notebook)
        notebook.cells[3].metadata["tags"] = ["headline"]

    paths = [
        store(folder / "notebooks", tell, stem="00_the_lifecycle"),
        store(folder / "notebooks", with_code("raise ValueError('<b>bad</b>')"), stem="01_bad"),
    ]
    results = run_notebooks(paths, {}, folder / "out")
    return write_pages(results, folder / "out")


def test_the_index_shows_state_question_headline_and_picture(pages):
    index = pages.read_text(encoding="utf-8")
    assert "1 of 2 notebooks ran to their end" in index
    assert "Does it hold?" in index
    assert "Found 10 &amp; more" in index
    assert 'alt="A line that rises' in index
    assert "ValueError: &lt;b&gt;bad&lt;/b&gt;" in index


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
