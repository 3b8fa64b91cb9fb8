"""One trial: its parts, its rounds, its fits and its metrics."""
