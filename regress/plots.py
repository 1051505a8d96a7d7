"""Figures of a comparison (extra `[report]`): matplotlib, one function a figure."""
