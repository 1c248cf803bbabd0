"""What stands in a course's nbgrader_config.py, so that nbgrader does not run student code without a sandbox."""

from __future__ import annotations

from typing import Any

from nbgrader.preprocessors import NbGraderPreprocessor


class Refuse(NbGraderPreprocessor):
    """Stops nbgrader's own autograde, from the command line or the formgrader, before anything has run."""

    def preprocess(self, nb: Any, resources: Any) -> tuple[Any, Any]:
        raise RuntimeError(
            "nbgrader's own autograde runs student code with your rights. Use: python -m minidyn.coursework grade "
            f"{resources['nbgrader']['assignment']}"
        )
