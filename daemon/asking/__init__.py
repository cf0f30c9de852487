"""Questions about what cameras and uploads recorded: searched for, and answered by a vision-language model."""
