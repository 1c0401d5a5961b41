"""Private: to which test or fixture a request belongs, and what is refused once that has ended."""
