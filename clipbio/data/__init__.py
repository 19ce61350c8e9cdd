"""From sources to batches: specimens, shards, streams. Import what you need from the modules: workers start faster."""
