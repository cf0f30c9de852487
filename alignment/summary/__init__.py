"""What is telling in a long video: clips that are unlike the others, chapters, and names for what is shown."""
