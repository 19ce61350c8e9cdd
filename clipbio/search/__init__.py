"""The search engine: an index of specimens and descriptions in one folder, and what is asked of it; never a model."""
