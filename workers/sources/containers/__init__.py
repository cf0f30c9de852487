"""Opened containers: their first bytes, their tracks, how pictures are coded, and their time stamps."""
