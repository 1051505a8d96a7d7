"""Task definitions as data: read from YAML without lm-eval, and what they say about judging."""
