"""Execute notebooks on a fresh kernel and store their outputs in place, the same bytes each time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from helpers.course import Failed
from helpers.course.runner.shelf import code_cells, read_notebook
from helpers.files import write_whole

KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
KEPT_OF_A_CELL = {"tags", "jupyter", "nbgrader"}
CELL_TIMEOUT_S = 600


def bake(notebooks: list[Path], jobs: int = 2, check: bool = False) -> dict[str, bool]:
    """Execute each notebook and store it with its outputs, normalised.

    Parameters
    ----------
    notebooks : paths of the notebooks; those that did not change are not written.
    jobs : notebooks at once.
    check : only compare, write nothing.

    Returns
    -------
    Stem -> whether the stored notebook differed from what was executed now.

    Raises
    ------
    Failed
        If a cell fails; nothing of that notebook is stored.
    """

    def one(path: Path) -> bool:
        text = as_text(execute(read_notebook(path), path))
        differs = text != path.read_text(encoding="utf-8")
        if differs and not check:
            write_whole(path, text)
        return differs

    with ThreadPoolExecutor(max_workers=max(1, jobs)) as pool:
        differing = list(pool.map(one, notebooks))
    return {path.stem: differs for path, differs in zip(notebooks, differing, strict=True)}


def execute(notebook: NotebookNode, path: Path) -> NotebookNode:
    """Run every cell in order on a fresh kernel, in the notebook's own folder; return it normalised."""
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

    client = NotebookClient(
        notebook,
        timeout=CELL_TIMEOUT_S,
        kernel_name="python3",
        resources={"metadata": {"path": str(path.parent)}},
        extra_arguments=["--log-level=CRITICAL"],
        record_timing=False,
        coalesce_streams=True,
    )
    try:
        client.execute()
    except CellExecutionError as error:
        raise Failed(f"{path.name}: {error.ename}: {error.evalue}") from error
    except (CellTimeoutError, DeadKernelError, RuntimeError, OSError) as error:
        raise Failed(f"{path.name}: {str(error).splitlines()[0]}") from error
    if any(cell.execution_count is None for cell in code_cells(notebook)):
        raise Failed(f"{path.name}: a cell ended the kernel, so the cells after it never ran")
    return normalise(notebook)


def normalise(notebook: NotebookNode) -> NotebookNode:
    """Drop what differs from run to run and machine to machine; keep what a reader sees."""
    notebook.metadata = nbformat.from_dict(
        {"kernelspec": KERNEL, "language_info": {"name": "python"}}
    )
    notebook.nbformat_minor = 5
    for cell in notebook.cells:
        kept = {key: value for key, value in cell.metadata.items() if key in KEPT_OF_A_CELL}
        cell.metadata = nbformat.from_dict(kept)
        cell.source = cell.source.rstrip()
        if cell.cell_type == "code":
            for output in cell.outputs:
                output.pop("transient", None)
    return notebook


def as_text(notebook: NotebookNode) -> str:
    """Return the notebook as it is stored: sorted keys, one space of indent, one final newline."""
    return nbformat.writes(notebook, version=nbformat.NO_CONVERT).rstrip("\n") + "\n"
