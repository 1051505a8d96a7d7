"""Models that are put together from another when they are loaded: its layers by a map, an adapter on them."""
