"""Intervals, tests, power and noise: numbers in, numbers out, randomness only from a passed generator."""
