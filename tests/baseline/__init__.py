"""What the symbolic side finds, pinned: no rebuild of it may change a number."""
