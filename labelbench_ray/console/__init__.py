"""Output while a command runs: progress, events, interruption, redaction."""
