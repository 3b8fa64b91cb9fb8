"""Stores that name files of embeddings instead of holding the rows: hashed once, and mapped where they lie."""
