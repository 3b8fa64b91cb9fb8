"""What an experiment would do, checked before anything runs."""
