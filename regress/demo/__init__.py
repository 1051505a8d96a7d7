"""The built-in model pair, its items, and how they were made."""
