"""One stream's input, features and output: sources, speech, encoders, the pipeline and publishing."""
