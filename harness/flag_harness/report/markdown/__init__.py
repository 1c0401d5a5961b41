"""Private: a report in Markdown."""
