"""The release gate: what a policy says, and what comes of it on compared runs."""
