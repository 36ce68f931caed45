"""How nbgrader finds this course and derives an exercise; used by `lifecycle release`."""

from pathlib import Path

from nbconvert.preprocessors import TagRemovePreprocessor
from nbgrader.converters import GenerateAssignment

c = get_config()  # noqa: F821 (nbgrader defines it)

# solutions/NAME/NAME.ipynb -> exercises/NAME/NAME.ipynb; all else lives in a git-ignored folder.
# A command that grades makes that folder first, or nbgrader calls the gradebook unreadable.
grading = Path(__file__).resolve().parent / ".grading"
c.CourseDirectory.course_id = "ml-lifecycle-lab"
c.CourseDirectory.source_directory = "solutions"
c.CourseDirectory.release_directory = "exercises"
for step in ("submitted", "autograded", "feedback", "solution"):
    setattr(c.CourseDirectory, f"{step}_directory", str(grading / step))
c.CourseDirectory.db_url = f"sqlite:///{grading / 'gradebook.db'}"

# Mistakes and other notes for authors go first. nbconvert's own step is off by default: without
# `enabled` they would be handed out.
c.GenerateAssignment.preprocessors = [
    TagRemovePreprocessor,
    *GenerateAssignment.class_traits()["preprocessors"].default(),
]
c.TagRemovePreprocessor.enabled = True
c.TagRemovePreprocessor.remove_cell_tags = {"author-only"}

c.ClearSolutions.code_stub = {
    "python": "raise NotImplementedError()  # your answer, in place of this line"
}
c.ClearSolutions.text_stub = "*Your answer, in place of this line.*"
