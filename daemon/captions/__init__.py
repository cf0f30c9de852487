"""Captions: what a vision-language model writes of closed events and of uploads, and how it is found."""
