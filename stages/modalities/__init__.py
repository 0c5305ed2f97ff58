"""The modalities, one file or folder each; ``modalmill.stages.modality`` says what one is."""
