"""From a container to sampled frames and audio: demuxing, packets, GOPs, sampling, scaling."""
