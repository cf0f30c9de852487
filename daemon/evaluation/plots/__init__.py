"""The plots of ``watchword eval --plots``. Imported only if requested: matplotlib takes a second to import."""
