"""What happens to the tools of an agent in a sweep: they run, or a recorded result or a stub takes their place."""
