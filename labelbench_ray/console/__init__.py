"""Output while a command runs: progress, events, interruption, and what must not be shown."""
