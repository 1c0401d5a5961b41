"""Reports of a run, made from its record: as text, Markdown, JSON and HTML.

The modules here collect what a report says (`run_report.py`, `failures/`, `flags/`); `markdown.py`, `plain.py` and
`html.py` with the templates in `page/` show it. A new section needs a part in each of the two.
"""
