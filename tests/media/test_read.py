"""Reading real files: their time, their orientation, their colours, their sound, and what is wrong with them."""

from __future__ import annotations

import contextlib
import warnings
from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

from langit.media import fit, open_frames, probe, read_image, read_video
from langit.types import InputError

from .making import encode, encode_sound, number_of, numbered, quarters, sine, smooth

PATCHES = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255), "white": (255, 255, 255)}


def colours_at_corners(frame):
    """The names of the colours in the middle of the four quarters: top left, top right, bottom left, bottom right."""
    height, width = frame.shape[:2]
    points = [(height // 4, width // 4), (height // 4, 3 * width // 4)]
    points += [(3 * height // 4, width // 4), (3 * height // 4, 3 * width // 4)]
    return [min(PATCHES, key=lambda name: np.abs(frame[y, x].astype(int) - PATCHES[name]).sum()) for y, x in points]


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "mov"])
def test_constant_rate_comes_frame_by_frame(tmp_path, suffix):
    path = encode(tmp_path / f"clip.{suffix}", [numbered(i) for i in range(20)])
    video = read_video(path)
    assert video.fps == 24
    assert [number_of(frame) for frame in video.frames] == list(range(20))
    assert video.audio is None


def test_fps_resamples_by_nearest_timestamp(tmp_path):
    path = encode(tmp_path / "clip.mp4", [numbered(i) for i in range(20)], rate=20)
    assert [number_of(f) for f in read_video(path, fps=10).frames] == list(range(0, 20, 2))
    assert [number_of(f) for f in read_video(path, fps=40).frames] == [i for i in range(20) for _ in range(2)]
    assert [number_of(f) for f in read_video(path, fps=10, max_frames=3).frames] == [0, 2, 4]


def test_variable_rate_is_resampled_by_timestamps(tmp_path):
    # Shown at 0, 0.1, 0.2, then held until 1.0, then 1.1 and 1.2 s; the last for 1/24 s, less than half a step.
    ticks = [0, 60, 120, 600, 660, 720]
    path = encode(tmp_path / "clip.mp4", [numbered(i) for i in range(6)], ticks=ticks)
    shown = [number_of(frame) for frame in read_video(path, fps=10).frames]
    assert shown == [0, 1, 2, 2, 2, 2, 2, 3, 3, 3, 3, 4]


@pytest.mark.parametrize(
    ("degrees", "corners"),
    [
        (90, ["green", "white", "red", "blue"]),
        (-90, ["blue", "red", "white", "green"]),
        (180, ["white", "blue", "green", "red"]),
    ],
)
def test_rotation_is_applied_counterclockwise(tmp_path, degrees, corners):
    path = encode(tmp_path / "clip.mp4", [quarters()] * 3, rotation=degrees)
    video = read_video(path)
    assert (video.height, video.width) == ((48, 64) if degrees == 180 else (64, 48))
    assert colours_at_corners(video.frames[0]) == corners
    info = probe(path)
    assert info.size == (video.height, video.width)
    assert info.rotation % 360 == degrees % 360


def test_non_square_pixels_are_corrected(tmp_path):
    path = encode(tmp_path / "clip.mp4", [quarters()] * 3, pixel_aspect=Fraction(3, 2))
    video = read_video(path)
    assert (video.height, video.width) == (48, 96)
    assert colours_at_corners(video.frames[0]) == list(PATCHES)


def test_odd_sizes_are_kept(tmp_path):
    path = encode(tmp_path / "clip.mp4", list(smooth(3, 35, 51)))
    video = read_video(path)
    assert (video.height, video.width) == (35, 51)
    assert np.abs(video.frames.astype(int) - smooth(3, 35, 51)).mean() < 3


def test_size_covers_and_cuts_evenly(tmp_path):
    path = encode(tmp_path / "clip.mp4", [quarters(48, 96)] * 2)
    video = read_video(path, size=(24, 24))
    assert video.frames.shape == (2, 24, 24, 3)
    assert colours_at_corners(video.frames[0]) == list(PATCHES)
    with pytest.raises(InputError, match="size"):
        read_video(path, size=(0, 24))


def test_sound_is_kept_and_as_long_as_the_pictures(tmp_path):
    tone = sine(1.0)
    path = encode(tmp_path / "clip.mp4", [numbered(i % 20) for i in range(24)], tone=tone)
    audio = read_video(path).audio
    assert audio is not None
    assert (audio.rate, audio.num_channels, audio.num_samples) == (16000, 1, 16000)
    inner = slice(2000, 14000)
    assert np.abs(audio.samples[:, inner] - tone[:, inner]).max() < 0.05
    assert read_video(path, max_frames=12).audio.num_samples == 8000
    assert probe(path).has_audio


def test_gif_is_a_video(tmp_path):
    frames = [Image.fromarray(numbered(i)) for i in range(6)]
    path = tmp_path / "clip.gif"
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=80, loop=0)
    video = read_video(path)
    assert video.fps == pytest.approx(12.5)
    assert [number_of(frame) for frame in video.frames] == list(range(6))
    assert probe(path).frames == 6
    assert len(read_video(path, fps=25).frames) == 12


def test_image_is_one_frame_at_any_rate(tmp_path):
    Image.fromarray(quarters()).save(tmp_path / "image.png")
    for fps in (None, 24):
        video = read_video(tmp_path / "image.png", fps=fps)
        np.testing.assert_array_equal(video.frames, quarters()[None])
        assert video.fps == (fps or 1)


def test_image_orientation_from_exif(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turn clockwise to show
    Image.fromarray(quarters()).save(tmp_path / "phone.png", exif=exif)
    image = read_image(tmp_path / "phone.png")
    assert image.shape == (64, 48, 3)
    assert colours_at_corners(image) == ["blue", "red", "white", "green"]


def test_images_of_every_depth(tmp_path):
    rgba = np.dstack([quarters(), np.full((48, 64), 51, np.uint8)])
    Image.fromarray(rgba).save(tmp_path / "alpha.png")
    np.testing.assert_array_equal(read_image(tmp_path / "alpha.png"), quarters() // 5)

    deep = (np.arange(48 * 64, dtype=np.uint16).reshape(48, 64) * 21).astype(np.uint16)
    Image.fromarray(deep).save(tmp_path / "deep.png")
    np.testing.assert_array_equal(read_image(tmp_path / "deep.png")[..., 1], np.rint(deep / 257).astype(np.uint8))

    Image.fromarray(quarters()).quantize(8).save(tmp_path / "palette.png")
    assert colours_at_corners(read_image(tmp_path / "palette.png")) == list(PATCHES)
    Image.fromarray(quarters()).convert("CMYK").save(tmp_path / "print.jpg", quality=95)
    assert colours_at_corners(read_image(tmp_path / "print.jpg")) == list(PATCHES)
    Image.fromarray(quarters()[..., 0]).convert("1").save(tmp_path / "bits.png")
    assert read_image(tmp_path / "bits.png", size=(5, 7)).shape == (5, 7, 3)


def test_fit_keeps_what_already_fits():
    frame = quarters()
    assert fit(frame, (48, 64)) is frame
    assert fit(frame, (1, 1)).shape == (1, 1, 3)


def test_untagged_footage_takes_the_colours_players_take(tmp_path):
    # FFmpeg's default conversion for an untagged small file is BT.601, as in players.
    path = encode(tmp_path / "clip.mp4", [quarters()] * 2)
    frame = read_video(path).frames[0]
    assert np.abs(frame[:20, :28].astype(int) - (255, 0, 0)).max() <= 4
    assert np.abs(frame[:20, 36:].astype(int) - (0, 255, 0)).max() <= 4


def refused(path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for reader in (read_video, probe, open_frames):
            with pytest.raises(InputError) as caught:
                reader(path)
            message = str(caught.value)
            assert str(path) in message or path == ""
            assert "\n" not in message
            assert "Errno" not in message
    return message


def test_what_is_no_video_is_refused_in_a_sentence(tmp_path):
    assert "There is no file" in refused(tmp_path / "missing.mp4")
    assert "folder" in refused(tmp_path)
    (tmp_path / "empty.mp4").touch()
    assert "empty" in refused(tmp_path / "empty.mp4")
    (tmp_path / "text.mp4").write_text("once upon a time\n" * 50)
    assert "another kind of file" in refused(tmp_path / "text.mp4")
    (tmp_path / "notes.txt").write_text("once upon a time\n" * 50)
    refused(tmp_path / "notes.txt")
    (tmp_path / "noise.mp4").write_bytes(np.random.default_rng(0).bytes(50_000))
    refused(tmp_path / "noise.mp4")
    assert "sound only" in refused(encode_sound(tmp_path / "sound.m4a", sine(0.5)))
    assert "path is empty" in refused("")


def test_a_play_list_cannot_name_other_files(tmp_path):
    clip = encode(tmp_path / "clip.mp4", [numbered(0)] * 4)
    (tmp_path / "list.mp4").write_text(f"#EXTM3U\n#EXTINF:1,\nfile://{clip}\n#EXT-X-ENDLIST\n")
    refused(tmp_path / "list.mp4")
    (tmp_path / "join.mp4").write_text(f"ffconcat version 1.0\nfile '{clip}'\n")
    refused(tmp_path / "join.mp4")


def test_names_with_colons_and_spaces(tmp_path):
    path = encode(tmp_path / "plain.mp4", [numbered(2)] * 2).rename(tmp_path / "at 10:30 %d.mp4")
    assert number_of(read_video(path).frames[0]) == 2


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "avi", "gif", "png"])
def test_truncated_files_give_what_they_have_or_one_sentence(tmp_path, suffix):
    path = tmp_path / f"whole.{suffix}"
    frames = smooth(30, 64, 64)
    if suffix == "gif":
        images = [Image.fromarray(frame) for frame in frames]
        images[0].save(path, save_all=True, append_images=images[1:], duration=40)
    elif suffix == "png":
        Image.fromarray(frames[0]).save(path)
    else:
        flags = "+faststart" if suffix == "mp4" else ""
        codec = "mpeg4" if suffix == "avi" else "libx264"
        encode(path, list(frames), flags=flags, codec=codec, tone=sine(1.25) if suffix == "mp4" else None)
    whole = path.read_bytes()
    num_whole = read_video(path).num_frames
    assert num_whole == (1 if suffix == "png" else 30)
    counts = []
    for share in (0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.97):
        cut = tmp_path / f"cut.{suffix}"
        cut.write_bytes(whole[: int(len(whole) * share)])
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                counts.append(read_video(cut).num_frames)
            except InputError:  # its sentence is checked elsewhere; any other error fails
                counts.append(0)
        if 0 < counts[-1] < num_whole:
            assert len(caught) == 1
            assert "cut short" in str(caught[0].message)
    assert counts == sorted(counts)
    assert counts[0] == 0
    if suffix != "png":
        assert any(0 < count < 30 for count in counts)


def test_mp4_without_its_index_is_refused(tmp_path):
    path = encode(tmp_path / "clip.mp4", list(smooth(10, 64, 64)))  # its index stands at the end
    for share in (0.1, 0.5, 0.8):
        cut = tmp_path / "cut.mp4"
        cut.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
        assert "cut short" in refused(cut)


def test_stream_can_be_left_early(tmp_path):
    path = encode(tmp_path / "clip.mp4", [numbered(i) for i in range(20)])
    with open_frames(path, fps=12) as stream:
        assert (stream.fps, stream.height, stream.width) == (12, 48, 64)
        assert number_of(next(stream)) == 0
        assert number_of(next(stream)) == 2
    assert list(stream) == []
    with pytest.raises(InputError, match="fps"):
        open_frames(path, fps=0)
    with pytest.raises(InputError, match="max_frames"):
        read_video(path, max_frames=0)


def test_damaged_bytes_never_end_in_another_error(tmp_path):
    whole = encode(tmp_path / "whole.mp4", list(smooth(10, 64, 64)), tone=sine(0.5)).read_bytes()
    random = np.random.default_rng(0)
    num_read = 0
    for _ in range(60):
        content = np.frombuffer(whole, np.uint8).copy()
        places = random.integers(0, len(content), random.integers(1, 40))
        content[places] = random.integers(0, 256, len(places))
        (tmp_path / "damaged.mp4").write_bytes(content.tobytes())
        for reader in (read_video, probe):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                with contextlib.suppress(InputError):
                    num_read += bool(reader(tmp_path / "damaged.mp4"))
    assert num_read > 0
