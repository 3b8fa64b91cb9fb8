"""Statistics over paired seeds: intervals, power, labels saved, comparisons."""
