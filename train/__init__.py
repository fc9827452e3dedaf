"""Training and scoring of SLViT."""
