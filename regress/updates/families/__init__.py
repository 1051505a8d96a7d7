"""How each family of models names and lays out the parts that all of them have."""
