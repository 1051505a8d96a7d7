"""Tables of anybody's scripts: CSV, JSONL and Parquet, in."""
