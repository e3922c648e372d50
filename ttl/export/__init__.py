"""A trained model as a checked ONNX file, and that file run again."""
