"""A registry that strangers add to: finished trials as two tables and their ledgers, packed, checked and ranked.

    P.trials.parquet   one row a trial (`schema.TRIALS`)
    P.rounds.parquet   one row a round and metric (`schema.ROUNDS`)
    P.ledgers.zip      <fingerprint>/trial.json, rounds/NNN.json as a run wrote them, and submission.json

The tables hold nothing that the ledgers do not: `check` makes them again from the ledgers and compares every value.
Only trials of one protocol are ranked together (`boards`, `leaderboard`), and tiers are given by the check.
"""
