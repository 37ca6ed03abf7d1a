"""Models to and from the Hugging Face Hub, by its own client; safetensors only."""
