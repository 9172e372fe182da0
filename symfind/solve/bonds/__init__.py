"""Changes of basis on the wire between the parameters that write and read it."""
