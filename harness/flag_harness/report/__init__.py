"""Views of a run record, as lines of text. The plugin and the commands print them."""
