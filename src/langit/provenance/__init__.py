"""Where a clip came from, and what may be made: credentials, watermark, prompt and frame policy.

| story | file |
|---|---|
| the instance's own certificates and key | ``certificate.py`` |
| signed C2PA manifests in mp4, png and gif | ``credentials.py`` |
| an invisible mark that survives re-encoding | ``watermark.py`` |
| what a refusal says; the policy file | ``policy.py`` |
| prompts | ``prompt_policy.py`` and ``lists/`` |
| frames | ``frame_policy.py`` |
| who was refused what, when | ``audit.py`` |
| what a file tells of its origin | ``verify.py`` |

The seams, for whoever writes files (the command line, the server):

    identity = Identity.load_or_create(home() / "identity")
    policy = load_policy(None)                        # or a Path to the user's TOML file
    verdict = check_prompt(prompt, policy)            # verdict.allowed, .category, .code, .sentence
    frames = mark(frames, Payload(identity.mark))     # uint8 (F, H, W, 3); InputError below the supported size
    verdict = check_frames(frames, policy)
    seal(path, identity=identity, prompt=prompt, model=name, sources=[...])
    AuditLog(path).record("prompt", verdict, subject=key_id, text=prompt)
    verify(path)                                      # .credentials, .watermark: each .state and .sentence

``can_mark(frames.shape)`` tells beforehand whether ``mark`` takes a clip. Nothing heavy is imported before it is used.
"""

from langit.provenance.audit import AuditLog
from langit.provenance.certificate import Identity, home
from langit.provenance.credentials import Credentials, can_seal, read_credentials, seal
from langit.provenance.frame_policy import can_check_frames, check_frames
from langit.provenance.policy import CATEGORIES, Policy, Verdict, load_policy
from langit.provenance.prompt_policy import check_prompt
from langit.provenance.verify import Finding, Verification, verify
from langit.provenance.watermark import Payload, can_mark, mark, read_mark

__all__ = [
    "CATEGORIES",
    "AuditLog",
    "Credentials",
    "Finding",
    "Identity",
    "Payload",
    "Policy",
    "Verdict",
    "Verification",
    "can_check_frames",
    "can_mark",
    "can_seal",
    "check_frames",
    "check_prompt",
    "home",
    "load_policy",
    "mark",
    "read_credentials",
    "read_mark",
    "seal",
    "verify",
]
