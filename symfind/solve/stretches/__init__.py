"""What lies between functions: sums of products, of which no more is seen than what they make."""
