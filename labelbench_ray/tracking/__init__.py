"""MLflow as a mirror of the ledgers."""
