"""How the weights are made: drawn plates and the training of the reader and the detector.

Nothing in the product imports this package; it needs PyTorch, ONNX and, for fonts, Pillow.
"""
