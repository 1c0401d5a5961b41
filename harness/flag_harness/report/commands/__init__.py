"""The shell commands that a report tells its reader to type, and the folder in which they work."""
