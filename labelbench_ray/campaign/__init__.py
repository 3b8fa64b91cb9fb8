"""One annotation campaign over a pool without labels: its batches, its answers and what they show."""
