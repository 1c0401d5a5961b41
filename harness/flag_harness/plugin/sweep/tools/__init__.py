"""What the tools of a swept agent do: they run, or a recorded result or a stub takes their place."""
