"""inspect_ai's logs, in, without inspect_ai."""
