"""The teacher's tools, which need nbgrader: install minidyn[coursework].

`build` turns masters into notebooks and archives. `submission` reads what came in, and `repair` makes it whole.
`sandbox`, `launch` and `kernel` run a student's code apart from all else; `marking` runs the tests in the grader.
`sanitise` makes the result fit to be shown. `grade` does all this for a class; `course` knows the folder. `results` is
the table of totals, and `export` writes it for a learning platform.
"""
