"""The exam: how true is what a model makes, measured from pixels alone.

Reading order: `observation` (frames to what is seen in them), `prompts` (what is asked for), `prompt_following` (asked
against seen), `corruptions` (deliberate damage that the measures must notice), then one measure per file.
"""
