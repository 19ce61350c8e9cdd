"""The search engine over HTTP: what is asked comes as parameters of a URL, what is found goes out as JSON or a page."""
