"""The parameters of the page's address."""

SESSION_PARAMETER = "session"
"""Names the session."""
REQUEST_PARAMETER = "request"
"""The number of the request that is shown in place of the chat."""
