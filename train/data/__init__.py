"""Data sets: one file a layout (refcoco, coco, folder), and what expressions are made from."""
