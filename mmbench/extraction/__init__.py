"""Items through one model: decoded ahead, encoded in batches, kept in shards, joined by row."""
