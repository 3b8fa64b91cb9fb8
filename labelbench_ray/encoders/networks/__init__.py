"""The networks behind the encoders: where their weights are found, how they are loaded and how they run."""
