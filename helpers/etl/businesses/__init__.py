"""What is particular: the sources, schemas and cleanings of each business."""
