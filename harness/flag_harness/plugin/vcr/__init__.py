"""The hooks that serve pytest-recording's marks and fixtures."""
