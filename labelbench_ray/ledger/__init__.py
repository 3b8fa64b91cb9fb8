"""The truth on disk: the records of trials, fine-tunes and experiments."""
