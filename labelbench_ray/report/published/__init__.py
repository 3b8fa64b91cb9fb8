"""Curves that others have published, beside which ours can lie: LabelBench's 624 runs (see LICENSE in this folder)."""
