"""Every Eval Ever: its files in, ours out."""
