"""What a wire can reach."""
