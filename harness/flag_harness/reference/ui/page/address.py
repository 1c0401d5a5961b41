"""The parameters of the page's address."""

SESSION = "session"
"""Names the session."""
REQUEST = "request"
"""The number of the request that is shown in place of the chat."""
