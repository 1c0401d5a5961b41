"""A chat with the reference agent in the browser, built with Streamlit: `flag-harness ui`.

This is the only package that knows Streamlit, which comes with the extra `ui`. The turns of the agent run in threads of
their own (`chat/`); the script of the page (`page/`) only shows them.
"""
