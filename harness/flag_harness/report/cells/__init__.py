"""What the cells of the HTML page's matrix show when the user opens them: runs, conversations, the nearest
passing run.
"""
