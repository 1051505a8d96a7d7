"""A comparison as something to look at."""
