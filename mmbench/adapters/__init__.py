"""Adapters: which parameters of an encoder train, and what is added to it for that."""
