"""The cassette's file: its format, blobs, lock and export."""
