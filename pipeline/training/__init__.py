"""Data, architectures and the training loop: everything that makes one model from one date range."""
