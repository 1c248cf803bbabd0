"""What a teacher's browser is shown of a student's work: nothing that runs."""

import base64
import time
from html.parser import HTMLParser

import nbformat
import pytest
from nbconvert import HTMLExporter

from minidyn.coursework.teacher.sanitise import sanitise, written

EVIL = '1" onload="alert(1)'
PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(20)).decode()
ATTACKS = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<IMG SRC=x OnErRoR=alert(1)>",
    "<svg onload=alert(1)><animate onbegin=alert(1)>",
    "<iframe src=javascript:alert(1)></iframe>",
    "<form action=/formgrader><input name=score value=30 autofocus onfocus=alert(1)></form>",
    "<a href=javascript:alert(1)>x</a>",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](data:text/html;base64,PHNjcmlwdD4=)",
    "[x]: javascript:alert(1)\n\n[x]",
    "![x](javascript:alert(1))",
    '![x](y "" onerror=alert(1) z="")',
    "![x](http://example.org/count.png)",
    "![x](/formgrader?path=/tmp/evil)",
    "<div style='position:fixed;top:0' class=score id=score>x</div>",
    "<math><maction actiontype=statusline xlink:href=javascript:alert(1)>x</maction></math>",
    r"$\\href{javascript:alert(1)}{x}$",
    r"$\href{javascript:alert(1)}{x}$ and $$\class{score}{y}$$",
    "```mermaid\nclick A call alert()\n<img src=x onerror=alert(1)>\n```",
    "```html\n<script>alert(1)</script>\n```",
    "<style>*{display:none}</style>",
    "<meta http-equiv=refresh content='0;url=http://example.org'>",
    "</div></div><script>alert(1)</script>",
    "<!--><script>alert(1)</script>-->",
    "<details open ontoggle=alert(1)>x</details>",
    "<p\n\n onclick=alert(1)>x</p>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "<scr<script>ipt>alert(1)</scr</script>ipt>",
    "*" * 3000 + "<script>alert(1)</script>",
]


ACTIVE = ("script", "iframe", "svg", "math", "form", "input", "style", "meta", "object", "embed", "link", "base")


class Dangers(HTMLParser):
    """Collects what could run, load or submit something."""

    def __init__(self):
        super().__init__()
        self.dangers = []

    def handle_starttag(self, tag, attrs):
        if tag in (
            "script",
            "iframe",
            "svg",
            "math",
            "form",
            "input",
            "style",
            "meta",
            "object",
            "embed",
            "link",
            "base",
        ):
            self.dangers.append(tag)
        for name, value in attrs:
            address = (value or "").strip().lower()
            bad_link = name == "href" and not address.startswith(("http://", "https://", "mailto:"))
            bad_picture = name == "src" and not address.startswith("data:image/")
            if name.startswith("on") or name in ("style", "class", "id", "action") or bad_link or bad_picture:
                self.dangers.append(f"{tag} {name}={value}")


def dangers(html):
    parser = Dangers()
    parser.feed(html)
    return parser.dangers


def shown(notebook):
    """The body that nbconvert makes of a notebook, between two marks."""
    cells = [nbformat.v4.new_markdown_cell("BEGINNING"), *notebook.cells, nbformat.v4.new_markdown_cell("END")]
    exporter = HTMLExporter(template_name="basic")
    html, _ = exporter.from_notebook_node(nbformat.v4.new_notebook(cells=cells))
    return html


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_written_answer_runs_nothing(attack):
    assert dangers(written(attack, {})) == []
    assert "\n" not in written(attack, {})


def test_the_attacks_would_run_without_care():
    """The test can fail: nbconvert itself lets most of them through."""
    plain = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(attack) for attack in ATTACKS])
    assert "onerror=alert(1)" in shown(plain)
    assert shown(plain).count("<script>alert(1)</script>") >= 2


def test_a_rendered_notebook_of_attacks_is_what_was_sanitised():
    """Rendering again, as formgrader and feedback do, adds nothing."""
    cells = [nbformat.v4.new_markdown_cell(attack) for attack in ATTACKS]
    cells += [nbformat.v4.new_raw_cell(attack, metadata={"raw_mimetype": "text/html"}) for attack in ATTACKS]
    html = shown(sanitise(nbformat.v4.new_notebook(cells=cells), {}))
    assert [danger for danger in dangers(html) if danger in ACTIVE or "javascript" in danger or " on" in danger] == []


def test_outputs_keep_text_and_pictures_only():
    new = nbformat.v4.new_output
    outputs = [
        new("display_data", data={"text/html": "<script>alert(1)</script>", "text/plain": "a table"}),
        new("display_data", data={"application/javascript": "alert(1)"}),
        new("display_data", data={"image/svg+xml": "<svg onload=alert(1)>"}),
        new(
            "display_data",
            data={"image/png": PNG, "text/plain": "<Figure>"},
            metadata={"image/png": {"width": '1" onload="x'}},
        ),
        new("display_data", data={"image/png": '"onerror="alert(1)'}),
        new(
            "execute_result",
            data={"text/latex": r"$\href{javascript:alert(1)}{x}$", "text/plain": "x"},
            execution_count=1,
        ),
        new("stream", name="stdout", text="<script>alert(1)</script>"),
        new("error", ename="<script>", evalue="<script>", traceback=["<script>alert(1)</script>"]),
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1", outputs=outputs)])
    made = sanitise(notebook, {}).cells[0].outputs
    assert [sorted(output.get("data", {})) for output in made] == [
        *[["text/plain"]] * 3, ["image/png", "text/plain"], ["text/plain"], ["text/plain"], [], [],
    ]  # fmt: skip
    assert made[1].data["text/plain"] == "[not shown: application/javascript]"
    assert all(not output.get("metadata") for output in made)
    html = shown(notebook)
    assert "<script>alert" not in html
    assert PNG in html
    assert 'onerror="alert' not in html


def test_pictures_that_belong_to_an_answer_are_shown_and_nothing_else_of_them():
    kinds = {"image/svg+xml": "PHN2Zz4=", "image/png": PNG}
    html = written("![mine](attachment:a.png)", {"a.png": kinds})
    assert html == f'<div><p><img src="data:image/png;base64,{PNG}" alt="mine"></p></div>'
    assert "<img" not in written("![mine](attachment:a.png)", {"a.png": {'image/png" onerror="x': PNG}})
    assert "<img" not in written("![mine](attachment:missing.png)", {})


def test_simple_formatting_is_kept():
    html = written("# Why\n\nBecause **2/η** is `less < more`:\n\n- $a<b$\n- [source](https://example.org)", {})
    for part in ("<h1>Why</h1>", "<strong>2/η</strong>", "<code>less &lt; more</code>", "$a&lt;b$",
                 '<a href="https://example.org">source</a>'):  # fmt: skip
        assert part in html


def test_an_answer_that_was_not_given_stays_what_nbgrader_knows():
    cell = nbformat.v4.new_markdown_cell("YOUR ANSWER HERE", metadata={"nbgrader": {"grade_id": "answer-open"}})
    notebook = sanitise(nbformat.v4.new_notebook(cells=[cell]), {"answer-open": "YOUR ANSWER HERE"})
    assert notebook.cells[0].source == "YOUR ANSWER HERE"


@pytest.mark.parametrize("source", ["[" * 40_000, "<" * 40_000, "> " * 10_000 + "x", "*a " * 15_000, "x" * 200_000])
def test_no_markdown_keeps_the_grader_busy(source):
    began = time.process_time()
    assert written(source, {}).startswith("<div>")
    assert time.process_time() - began < 12
