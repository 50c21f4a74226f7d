"""Prompts to states: `lexicon` reads words in English and Indonesian, `encoder` turns them into vectors.

Importing this package does not import torch; `langit.text.encoder` does.
"""
