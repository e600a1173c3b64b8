"""Learning: tensors in, tensors out. Simulators, policies, training and evaluation; no file is read or written here."""
