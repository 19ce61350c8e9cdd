"""Train, evaluate and serve contrastive models of specimens: image, text and DNA in one space."""

__version__ = "0.1.0"
