"""Definitions only: vectors in, numbers out."""
