"""What leaves the project: tidy tables of experiments, and the files that spreadsheets and papers take."""
