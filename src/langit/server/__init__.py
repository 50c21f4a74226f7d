"""The server: OpenAI's Videos API on one's own machine.

| story | file |
|---|---|
| what the owner of the server decides (langit.toml) | `settings.py` |
| rows, and the database they are in (SQLite, or Postgres by URL) | `tables.py`, `database.py` |
| files through fsspec | `storage.py` |
| keys, and what each may use | `keys.py`, `limits.py` |
| one job from acceptance to its end, whoever dies in between | `jobs.py` |
| the durable queue (DBOS), the worker, and the process that holds the models | `queues.py`, `worker.py`, `device.py`, `engine.py` |
| sizes and lengths that a model can make | `fitting.py` |
| what comes in: bodies, uploads, addresses | `body.py`, `schema.py`, `references.py`, `decoding.py`, `fetching.py` |
| what goes out: routes, errors, events, webhooks, metrics | `api.py`, `routes_*.py`, `errors.py`, `webhooks.py`, `metrics.py` |
| many prompts at once | `batches.py` |
| who watches, and small pictures of what is being made | `watching.py`, `previews.py` |
| what expires | `sweeper.py` |
| `langit serve`, `langit worker`, `langit keys` | `commands.py` |

The process of the API and the worker's never import torch; the models live in a process of their own (`engine.py`).
"""
