"""What did this update break? Pairs two language models' answers and finds the flips."""
