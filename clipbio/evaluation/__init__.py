"""Benchmarks on embeddings with ids and classes; nothing here knows a model."""
