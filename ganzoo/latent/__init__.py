"""Moving in latent space: saved w, directions, edits, mixing."""
