"""``modalmill serve``: a model that answers over HTTP, decoding what it is sent behind a guard."""
