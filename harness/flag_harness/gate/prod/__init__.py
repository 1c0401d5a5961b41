"""The production folder PROD: its history, and the only code that writes to it."""
