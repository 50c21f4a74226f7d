"""Video, pictures and sound in files: reading, writing, probing, and sheets to look at.

| story | file |
|---|---|
| what a path is, and refusing it in one sentence | ``source.py`` |
| pictures and gifs (Pillow) | ``pictures.py`` |
| footage: decoding, orientation, colours, sound (PyAV) | ``footage.py`` |
| frames at a constant rate; ``read_video`` | ``read.py`` |
| checks before long work; temporary names and renames | ``output.py`` |
| one encoder per kind of file | ``encoders.py`` |
| ``VideoWriter`` and ``write`` | ``write.py`` |
| what a file holds | ``probe.py`` |
| contact sheets, sprite sheets, thumbnails | ``sheets.py`` |

Sizes are ``(height, width)``; a frame is uint8 RGB (H, W, 3).
"""

from langit.media.output import check_output
from langit.media.pictures import fit, read_image
from langit.media.probe import MediaInfo, probe
from langit.media.read import FrameStream, open_frames, read_video
from langit.media.sheets import animated_sheet, contact_sheet, sprite_sheet, thumbnail
from langit.media.write import VideoWriter, write

__all__ = [
    "FrameStream",
    "MediaInfo",
    "VideoWriter",
    "animated_sheet",
    "check_output",
    "contact_sheet",
    "fit",
    "open_frames",
    "probe",
    "read_image",
    "read_video",
    "sprite_sheet",
    "thumbnail",
    "write",
]
