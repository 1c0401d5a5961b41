"""Private: keep secrets out of cassettes and logs with filters, a header allow-list and a key scan."""
