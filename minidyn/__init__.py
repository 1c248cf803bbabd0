"""minidyn: dynamical loss functions on small networks."""
