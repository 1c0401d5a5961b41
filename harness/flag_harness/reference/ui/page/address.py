"""The parameters of the page's address."""

SESSION_PARAMETER = "session"
"""The name of the parameter with the id of the session."""
REQUEST_PARAMETER = "request"
"""The name of the parameter with the number of the request that is shown instead of the chat."""
