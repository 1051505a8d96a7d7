"""`regress selftest`: updates whose effect is known beforehand, through the whole harness."""
