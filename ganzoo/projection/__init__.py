"""Images back to w: projection, and a generator tuned around it."""
