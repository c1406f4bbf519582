"""Scripts that print a ratio against something a user would pick instead, both measured in one call."""
