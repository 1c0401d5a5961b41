"""Views of the run record. They return lines or text; the plugin and the commands print them."""
