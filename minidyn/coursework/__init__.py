"""Coursework: five assignments, made and graded with nbgrader.

The rooms: `checks` (what a test asks and says), `ps1` to `ps5` (the checks of each assignment), `seeds` (whose data),
`build` (masters to notebooks and archives), `repair` (submissions as they come in), `execution` and `grading` (a class
at a time), `export` (to a learning platform). Students' notebooks import the first three only, which need nothing
beyond minidyn; the others need nbgrader: install minidyn[coursework]. On the command line: python -m minidyn.coursework
"""
