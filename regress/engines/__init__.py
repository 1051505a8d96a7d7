"""What runs a model: requests in, responses out."""
