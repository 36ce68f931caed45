"""Baking: stored outputs, the same bytes each time, nothing stored when a cell fails."""

import nbformat
import pytest
from conftest import first_always
from miniature import cell, store, with_code

from helpers.course import Failed
from helpers.course.authors.bake import as_text, bake, normalise


def test_a_bake_stores_numbered_cells_and_outputs_the_same_bytes_each_time(tmp_path):
    path = store(tmp_path, with_code("for n in range(3):\n    print(n, flush=True)\nROWS * 2"))
    before = path.read_bytes()
    assert bake([path], check=True) == {"00_the_lifecycle": True}
    assert path.read_bytes() == before, "a check writes nothing"
    assert bake([path]) == {"00_the_lifecycle": True}
    first = path.read_bytes()
    baked = nbformat.read(path, as_version=4)
    assert [c.execution_count for c in baked.cells if c.cell_type == "code"] == [1, 2, 3]
    printed, value = cell(baked, "look").outputs
    assert printed.text == "0\n1\n2\n"
    assert value.data["text/plain"] == "20"
    assert bake([path]) == {"00_the_lifecycle": False}
    assert path.read_bytes() == first


@pytest.mark.slow
def test_two_bakes_of_a_real_lesson_give_the_same_bytes_pictures_included(tmp_path, root):
    lesson = root / "notebooks" / "04a_churn_baseline.ipynb"
    copies = [tmp_path / copy / "notebooks" / lesson.name for copy in "ab"]
    for copy in copies:
        copy.parent.mkdir(parents=True)
        copy.write_bytes(lesson.read_bytes())
    bake(copies)
    first, second = (copy.read_bytes() for copy in copies)
    assert first == second
    assert b"data:image/png" in first


@pytest.mark.parametrize("source", first_always(["import os\nos._exit(1)", "1 / 0"]))
def test_a_notebook_that_fails_is_left_as_it_was(tmp_path, source):
    path = store(tmp_path, with_code(source))
    before = path.read_bytes()
    with pytest.raises(Failed, match="00_the_lifecycle.ipynb: "):
        bake([path])
    assert path.read_bytes() == before


def test_what_differs_from_run_to_run_is_dropped_and_what_a_reader_needs_is_kept(tmp_path):
    notebook = nbformat.read(store(tmp_path), as_version=4)
    notebook.metadata.papermill = {"duration": 1.2}
    notebook.metadata.widgets = {"x": 1}
    cell(notebook, "look").metadata.update(
        execution={"iopub.status.busy": "now"}, tags=["headline"], nbgrader={"grade": True}
    )
    normalised = normalise(notebook)
    assert set(normalised.metadata) == {"kernelspec", "language_info"}
    assert cell(normalised, "look").metadata == {"tags": ["headline"], "nbgrader": {"grade": True}}
    assert as_text(normalised).endswith("}\n")


def test_a_users_own_settings_do_not_change_what_is_stored(tmp_path, lifecycle):
    path = store(tmp_path / "notebooks", with_code("ROWS\nROWS * 2"))
    bake([path])
    profile = tmp_path / "ipython" / "profile_default"
    (profile / "startup").mkdir(parents=True)
    (profile / "startup" / "00.py").write_text("print('hello from my own settings')")
    settings = "c = get_config()\nc.InteractiveShell.ast_node_interactivity = 'all'\n"
    (profile / "ipython_kernel_config.py").write_text(settings)
    kernel = tmp_path / "share" / "kernels" / "python3"
    kernel.mkdir(parents=True)
    (kernel / "kernel.json").write_text('{"argv": ["/nowhere"], "display_name": "x"}')
    own = {"IPYTHONDIR": str(tmp_path / "ipython"), "JUPYTER_PATH": str(tmp_path / "share")}
    done = lifecycle("bake", "--check", "--notebooks", path.parent, env=own)
    assert done.returncode == 0, done.stdout + done.stderr
