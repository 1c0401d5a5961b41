"""The declared files (those that the gate copies from TEST to PROD): their patterns, hashes and imports."""
