"""The only code that uses Ray: embedding, sweeps, scorers, shared fits."""
