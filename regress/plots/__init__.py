"""Figures of a comparison (extra `[report]`): matplotlib, which is not needed to import them."""
