"""Models of sentence-transformers as encoders of texts, without that library."""
