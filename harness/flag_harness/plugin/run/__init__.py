"""What belongs to a whole run: claims, names, misses, summary."""
