"""Private: the cassette file, its format, blobs, lock and export."""
