"""Stands here so that the helper modules of this folder can be imported in the folders below it."""
