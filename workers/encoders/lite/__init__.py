"""The default encoder: whole frames by EfficientNet-Lite0, texts by MiniLM, both as beliefs about named classes."""
