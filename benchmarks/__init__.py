"""Scripts that compare us with something a user would pick instead, both measured in one run."""
