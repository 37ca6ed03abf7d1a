"""Films of a generator: ways through latent space, the frames on them, and files of frames."""
