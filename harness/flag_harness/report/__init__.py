"""Reports of a run, made from its record: as text, Markdown, JSON and HTML.

`run_report.py`, `failures/` and `flags/` collect what a report says. `markdown/`, `plain.py` and `html.py` (with the
templates in `page/`) show it. A new section needs code in both groups.
"""
