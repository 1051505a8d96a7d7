"""Runs on disk: written chunk by chunk, read back whole."""
