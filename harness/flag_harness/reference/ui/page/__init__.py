"""The Streamlit page of a chat."""
