"""The 25 cases: one scripted agent under every combination of the default flags, with tools, restarts and errors."""
