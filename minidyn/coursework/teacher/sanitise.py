"""What of a student's notebook a browser may be shown: text, simple formatting and pictures, and nothing that runs.

nbgrader's formgrader and feedback render markdown and outputs with their HTML and scripts, and a teacher is logged in
where they do. So written cells are rendered here, and only harmless tags are left; outputs keep text and pictures.
"""

from __future__ import annotations

import base64
import binascii
import html
import re
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import bleach
import nbformat
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

from minidyn.coursework.teacher.build import name_of

TAGS = frozenset(
    ("a", "abbr", "b", "blockquote", "br", "code", "dd", "del", "details", "div", "dl", "dt", "em", "h1", "h2", "h3")
    + ("h4", "h5", "h6", "hr", "i", "img", "li", "ol", "p", "pre", "s", "strong", "sub", "summary", "sup", "table")
    + ("tbody", "td", "th", "thead", "tr", "ul")
)
PROTOCOLS = ("http", "https", "mailto", "data")  # `_allowed` looks closer
PICTURES = ("image/png", "image/jpeg", "image/gif")
LINKS = ("http://", "https://", "mailto:")
LONGEST = 50_000  # characters of a cell that are rendered; a longer one is shown as it is
SECONDS = 5.0  # that rendering a cell may take
# What MathJax would make links, classes or files of; MathJax has no others that reach outside a formula.
MACROS = re.compile(r"\\(?=(href|class|cssId|style|data|html\w*|require|includegraphics|unicode|url|csname)\b)", re.I)
BREAK = "\u200b"  # invisible, and ends the name of a macro before it begins


def sanitise(notebook: Any, own: Mapping[str, str]) -> Any:
    """Make every cell of a notebook harmless, in place, and return the notebook.

    `own` are the teacher's written cells, by name: one that still has this source is left as it is, for nbgrader knows
    an answer that was not given by its source.
    """
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [_output(output) for output in cell.outputs]
        elif own.get(name_of(cell)) != cell.source:
            attachments = cell.pop("attachments", None) or {}
            cell.source = written(cell.source, attachments if cell.cell_type == "markdown" else None)
            cell.cell_type = "markdown"
    return notebook


def written(source: str, attachments: Any = None) -> str:
    """A written cell as one line of harmless HTML, which markdown leaves as it is.

    Parameters
    ----------
    source : str
        Markdown.
    attachments : mapping, optional
        Pictures that belong to the cell, as a notebook keeps them. None: the source is shown as it is.

    Examples
    --------
    >>> written("*Mine* <img src=x onerror=alert(1)>", {})
    '<div><p><em>Mine</em> <img></p></div>'
    """
    text = f"<pre>{html.escape(source)}</pre>"
    if attachments is not None and len(source) <= LONGEST:
        try:
            with _at_most(SECONDS):
                text = _rendered(source, _pictures(attachments))
        except Exception:  # whatever a stranger's markdown does to the renderer
            pass
    return "<div>" + MACROS.sub("\\\\" + BREAK, text).strip().replace("\n", "&#10;") + "</div>"


def _rendered(source: str, attachments: dict[str, dict[str, str]]) -> str:
    rendered = MarkdownWithMath(IPythonRenderer(escape=False, exclude_anchor_links=True, attachments=attachments))
    return str(bleach.clean(rendered.render(source), tags=TAGS, attributes=_allowed, protocols=PROTOCOLS))


def _allowed(tag: str, name: str, value: str) -> bool:
    if tag == "a":
        return name == "title" or (name == "href" and value.lower().startswith(LINKS))
    if tag == "img":
        return name in ("alt", "title") or (name == "src" and _is_picture(value))
    return False


def _is_picture(address: str) -> bool:
    kind, _, content = address.partition(";base64,")
    return kind in [f"data:{picture}" for picture in PICTURES] and _base64(content) is not None


def _pictures(attachments: Any) -> dict[str, dict[str, str]]:
    """The attachments that are pictures."""
    if not isinstance(attachments, dict):
        return {}
    return {
        str(name): {kind: content for kind in PICTURES if (content := _base64(bundle.get(kind)))}
        for name, bundle in attachments.items()
        if isinstance(bundle, dict) and any(kind in bundle for kind in PICTURES)
    }


def _output(output: Any) -> Any:
    """An output with its text and its pictures only."""
    kind = output.get("output_type")
    if kind == "stream":
        name = "stderr" if output.get("name") == "stderr" else "stdout"
        return nbformat.v4.new_output("stream", name=name, text=str(output.get("text", "")))
    if kind == "error":
        lines = [str(line) for line in output.get("traceback", [])]
        return nbformat.v4.new_output("error", ename=str(output.ename), evalue=str(output.evalue), traceback=lines)
    data = output.get("data", {})
    shown = {name: content for name in PICTURES if (content := _base64(data.get(name)))}
    if "text/plain" in data or not shown:
        shown["text/plain"] = str(data.get("text/plain", f"[not shown: {', '.join(map(str, data)):.100}]"))
    return nbformat.v4.new_output("display_data", data=shown)


def _base64(content: Any) -> str | None:
    """The content in clean base64, or None if it is something else."""
    text = "".join(content) if isinstance(content, list) else content
    if not isinstance(text, str) or not text:
        return None
    try:
        return base64.b64encode(base64.b64decode("".join(text.split()), validate=True)).decode()
    except (binascii.Error, ValueError, TypeError):
        return None


@contextmanager
def _at_most(seconds: float) -> Iterator[None]:
    """Raise TimeoutError when the time is over: some markdown takes a renderer for ever."""

    def stop(*_: Any) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
