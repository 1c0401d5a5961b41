"""The conversation: how it is kept, saved, restored and repaired."""
