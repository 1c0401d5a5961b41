"""What the cells of a page show when the user opens them: runs, their conversations, and the nearest passing run."""
