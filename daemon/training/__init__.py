"""Implementation of `watchword train`: data, job, run folder, distributed training."""
