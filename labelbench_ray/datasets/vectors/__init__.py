"""Embeddings that were made elsewhere: arrays in `.npy` and `.npz` files and in lists of parquet columns."""
