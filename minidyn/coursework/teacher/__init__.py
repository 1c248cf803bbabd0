"""The teacher's tools, which need nbgrader: install minidyn[coursework].

`build` turns masters into notebooks and archives, `repair` reads submissions as they come in, `sandbox` and `grade` run
and mark a class, `export` writes the points for a learning platform.
"""
