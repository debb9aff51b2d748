"""A renderer that reuses the parts of a digest that many subscribers share."""
