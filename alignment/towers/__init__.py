"""Trainable frame towers: backbones, and the file that holds a trained tower."""
