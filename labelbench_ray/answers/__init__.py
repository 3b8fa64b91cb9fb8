"""Answers of people: an append-only log of events, what it states of each row, and the formats of annotation tools."""
