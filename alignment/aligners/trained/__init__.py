"""The trained aligner: its network, the checkpoints, and what it keeps between the hops of a stream."""
