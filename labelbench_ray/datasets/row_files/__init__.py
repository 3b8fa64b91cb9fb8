"""Rows in files of several formats: which files are which split, how they are read, and what their columns mean."""
