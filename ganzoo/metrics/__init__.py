"""Quality figures of generators, each with the protocol that it was measured by."""
