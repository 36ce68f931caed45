"""A class graded: who handed in what, their code run in a sandbox, our checks outside of it, marks.

In the order of a run:

submissions, read_cells   what students handed in, read without trust
grade                     goes through the class; keeps each result as soon as it is known
examiners                 the processes that work through the submissions of one exercise
restore, tasks            their answers laid into the exercise; its tasks and checks
examine                   one submission: our checks here, their answers there
sitting, sandbox          one sandbox: bubblewrap around a process, limits inside
answering, cells          what runs inside the sandbox
remote, values, wire      how the two sides speak: plain values over a socket
audit                     marks that came oddly
marks, feedback           tables and pages
handout, variants         what students get, and a world of one's own for each

How to teach with it stands in `solutions/teaching.md`.
"""
