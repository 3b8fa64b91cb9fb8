"""What a strategy may look at: blocks and shards of the pool, probabilities, standardized embeddings."""
