"""Generators: the public module, its synthesis loop, and the form that runs fastest."""
