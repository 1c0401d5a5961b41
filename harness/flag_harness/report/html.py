"""A report as a single HTML file, which loads nothing from the network."""

import base64
import hashlib
import json
import zlib
from datetime import datetime
from functools import cache, partial
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from flag_harness.cassette.match.miss import API_REFUSAL_ADVICE
from flag_harness.errors import require_extra
from flag_harness.report.cache_page import MAX_MAPPED_TESTS, cache_section
from flag_harness.report.cells.details import cell_details
from flag_harness.report.chart import effect_charts
from flag_harness.report.commands.rerun import locate_command
from flag_harness.report.failures.causes import MAX_CAUSES
from flag_harness.report.flags.summary import flag_summaries
from flag_harness.report.overview import COMPARISON_NOTE, make_overview
from flag_harness.report.run_report import SIMULATED_NOTE, RunReport
from flag_harness.report.sweep_table import TROUBLE_OUTCOMES

if TYPE_CHECKING:
    import jinja2

_SCRIPT_FILES = ("elements", "streams", "comparison", "details", "matrix")
"""The files that make up the page's script, in order: code that runs on loading uses only earlier files."""
MAX_EXPANDED_REASONS = 5
"""The number of failure reasons that the page shows open. Further ones are folded, so that the flags stay in view."""
SYMBOL_BY_OUTCOME = {"passed": "✓", "failed": "✕", "skipped": "-", "xfailed": "≈", "xpassed": "!", "inconclusive": "?"}


def render_html(report: RunReport, now: datetime) -> str:
    """Return a report as the text of an HTML page. Raise `MissingExtraError` if jinja2 is not installed."""
    environment = _page_environment()
    style, script = _read_page_file("page.css"), _page_script()
    flags = list(report.record.header.flags)
    alone = [effect for effect in report.effects if len(effect.changed_values) == 1]
    return environment.get_template("page.html.j2").render(
        report=report,
        overview=make_overview(report),
        comparison_note=COMPARISON_NOTE,
        cells={row.case: cell for line in report.matrix_rows for cell in line.cells if cell for row in cell.rows},
        summaries=flag_summaries(report),
        charts=list(effect_charts(alone)),
        together=[effect for effect in report.effects if len(effect.changed_values) == 2 and effect.is_significant],
        symbols=SYMBOL_BY_OUTCOME,
        style=style,
        script=script,
        policy=_content_security_policy(style, script),
        details=_compress_json(cell_details(report)),
        flags=flags,
        written_at=now.isoformat(sep=" ", timespec="seconds"),
        simulated=SIMULATED_NOTE,
        cache=cache_section(report.rows),
        sweep_outcomes=TROUBLE_OUTCOMES,
        most=MAX_MAPPED_TESTS,
        few=MAX_EXPANDED_REASONS,
        most_causes=MAX_CAUSES,
        refusal_advice=API_REFUSAL_ADVICE,
        locate=partial(locate_command, report.record.header, root=report.location.root_folder),
    )


@cache
def _page_environment() -> "jinja2.Environment":
    """Return jinja2's environment. It is created once, because it keeps the compiled templates."""
    with require_extra("report"):
        import jinja2

    return jinja2.Environment(
        loader=jinja2.FunctionLoader(_read_page_file),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )


def _read_page_file(name: str) -> str:
    return files("flag_harness.report").joinpath("page", name).read_text("utf-8")


def _page_script() -> str:
    """Return the JavaScript of the page. All files are put into one scope."""
    parts = "\n".join(_read_page_file(f"{name}.js") for name in _SCRIPT_FILES)
    return f'"use strict";\n(() => {{\n{parts}}})();\n'


def _content_security_policy(style: str, script: str) -> str:
    """Return the page's content security policy: the browser may use only this style and script, and load nothing."""
    style_hash, script_hash = (
        base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in (style, script)
    )
    return (
        f"default-src 'none'; style-src 'sha256-{style_hash}'; script-src 'sha256-{script_hash}'; "
        "base-uri 'none'; form-action 'none'"
    )


def _compress_json(values: dict[str, Any]) -> str:
    """Encode values as compressed JSON in base64. The browser decodes the text when a cell is first opened."""
    data = json.dumps(values, separators=(",", ":")).encode()
    return base64.b64encode(zlib.compress(data, 9)).decode()
