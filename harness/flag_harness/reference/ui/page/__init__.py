"""The page: what Streamlit shows of a chat."""
