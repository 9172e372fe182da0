"""What nothing downstream sees of a wire."""
