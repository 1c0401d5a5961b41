"""The script that Streamlit runs for each interaction. Its argument holds the options of the chat."""

import sys

from flag_harness.reference.ui.options import UiOptions
from flag_harness.reference.ui.page.page import show_page

show_page(UiOptions.from_argument(sys.argv[1]) if len(sys.argv) > 1 else UiOptions())
