"""Pydantic models of request bodies. Pydantic validates bodies here because the API's error messages are Pydantic's."""
