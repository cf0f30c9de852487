"""What ``watchword eval --plots`` draws. Imported only when asked for: matplotlib takes a second."""
