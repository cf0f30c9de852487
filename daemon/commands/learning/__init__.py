"""Commands that train an aligner or an encoder, evaluate it, and calibrate it."""
