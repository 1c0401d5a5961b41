"""What flags change: runs of a test that differ in one flag are compared, pair by pair."""
