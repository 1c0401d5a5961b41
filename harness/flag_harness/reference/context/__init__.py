"""The conversation: kept, saved, restored and healed."""
