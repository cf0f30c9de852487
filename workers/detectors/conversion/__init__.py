"""Conversion of the detectors' weights from the packages that carry them to the ONNX files beside this folder."""
