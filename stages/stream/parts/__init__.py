"""How parts that are no modality become values of a batch."""
