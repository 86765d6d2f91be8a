"""What a run shows: figures, the terminal, TensorBoard, its page."""
