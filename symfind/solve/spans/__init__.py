"""What a wire can reach, and what is seen of it downstream."""
