"""`credit-movements verify`: a CSV held against its manifest, by code that shares nothing with what wrote the two."""
