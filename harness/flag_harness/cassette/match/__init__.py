"""Private: find the recorded request that matches a new one, or report how the nearest recorded one differs."""
