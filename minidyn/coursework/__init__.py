"""Coursework: five assignments, made and graded with nbgrader.

What students import: `checks` (what a test asks and says), `ps1` to `ps5` (the checks of each assignment), `seeds`
(whose data), `callables` and `transfer` (what crosses between a grader and a student's notebook). They need nothing
beyond minidyn. The teacher's tools stand in the subpackage `teacher` and need nbgrader: install minidyn[coursework].
On the command line: python -m minidyn.coursework
"""
