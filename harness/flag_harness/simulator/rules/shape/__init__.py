"""Pydantic models of request bodies. The API's own error messages for wrong shapes are Pydantic's, so we use it too."""
