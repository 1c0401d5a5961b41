"""What flags change: requests of runs that differ in one flag, compared pair by pair."""
