"""A model in the forms of others: folders of open_clip with a model card, and ONNX."""
