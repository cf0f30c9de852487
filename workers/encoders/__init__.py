"""Encoders of frames and texts: one module per profile, behind one Protocol and a lazy registry."""
