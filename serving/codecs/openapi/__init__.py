"""OpenAPI 3.1 documents of what the server answers, made of signatures: values in, dictionaries out."""
