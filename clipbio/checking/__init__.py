"""The report on data before any training: what is there, what is missing, what is there twice."""
