"""Private: keep secrets out of cassettes, logs and messages, by filters, an allow-list of headers and a scan."""
