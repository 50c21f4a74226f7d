"""The exam: how true is what a model makes, measured from pixels alone.

Reading order: `observation` (frames to what is seen in them), `prompts` (what is asked for), `prompt_following` (asked
against seen), then one measure per file; `corruptions` and `restaged` (deliberate damage to clips and scenes), `curves` (the
right measure must notice it) and `matrix` (and nothing else, but for its `concerns`).
"""
