"""Read the code of a repository: its agents, its imports, and where it reads its flags."""
