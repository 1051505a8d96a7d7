"""One file a verb: the only place where rooms meet."""
