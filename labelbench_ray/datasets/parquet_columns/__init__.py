"""What the data set `parquet` reads beside payloads and labels: facts, groups, and images that are named by paths."""
