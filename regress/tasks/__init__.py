"""Task definitions, theirs and ours, as something that asks and judges."""
