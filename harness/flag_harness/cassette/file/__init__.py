"""Private: read, write, lock and export cassette files."""
