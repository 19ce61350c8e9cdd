"""Shards that others wrote: WebDataset tars without a manifest."""
