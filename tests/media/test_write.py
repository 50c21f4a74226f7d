"""Writing: what comes back, what the bytes say, and that a failed write leaves nothing."""

from __future__ import annotations

import shutil
import subprocess
import sys
import textwrap

import av
import numpy as np
import pytest
from PIL import Image

from langit.media import VideoWriter, check_output, probe, read_image, read_video, write
from langit.media.output import kind_of
from langit.types import Audio, InputError, Video

from .making import number_of, numbered, sine, smooth

FLAT = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (0, 255, 255), (255, 0, 255), (255, 255, 255), (0, 0, 0)]
FLAT += [(128, 128, 128), (200, 100, 50), (30, 60, 90), (10, 10, 10), (250, 250, 250), (120, 30, 200), (77, 180, 99)]


def test_mp4_round_trip_is_close(tmp_path):
    video = Video(smooth(24, 96, 128), 24)
    assert write(video, tmp_path / "clip.mp4") == tmp_path / "clip.mp4"
    back = read_video(tmp_path / "clip.mp4")
    assert (back.fps, back.shape) == (video.fps, video.shape)
    assert np.abs(back.frames.astype(int) - video.frames).mean() < 3


def test_mp4_colours_are_right_and_tagged(tmp_path):
    frames = np.stack([np.full((64, 64, 3), colour, np.uint8) for colour in FLAT])
    write(Video(frames, 4), tmp_path / "flat.mp4", crf=2)
    back = read_video(tmp_path / "flat.mp4").frames
    assert np.abs(back.astype(int) - frames).max() <= 2
    with av.open(str(tmp_path / "flat.mp4")) as container:
        context = container.streams.video[0].codec_context
        assert (context.colorspace, context.color_primaries, context.color_trc, context.color_range) == (1, 1, 1, 1)
        assert context.pix_fmt == "yuv420p"
        # The luma itself, by ITU-T H.273 with Kr = 0.2126 and Kb = 0.0722, not only the way there and back.
        for frame, colour in zip(container.decode(video=0), FLAT, strict=True):
            luma = 16 + 219 * np.dot((0.2126, 0.7152, 0.0722), colour) / 255
            assert frame.to_ndarray()[32, 32] == pytest.approx(luma, abs=1.5)


def test_the_same_frames_are_the_same_file(tmp_path):
    generator = np.random.default_rng(0)
    y, x, time = np.mgrid[0:64], np.mgrid[0:64], np.arange(16)[:, None, None]
    waves = 128 + 60 * np.sin(x / 9 + time / 3) * np.cos(y[:, None] / 7)
    waves = waves + 80 * (np.hypot(x - 10 - 1.5 * time, y[:, None] - 30) < 9)  # and a ball that passes
    video = Video(np.stack([waves, waves * 0.8, 255 - waves], -1).clip(0, 255).astype(np.uint8), 8.0)
    files = set()
    for number in range(8):
        memory = [generator.normal(size=int(size)) for size in generator.integers(100, 200_000, 40)]
        del memory[::2]  # an encoder that reads what it never wrote finds something else each time
        files.add(write(video, tmp_path / f"{number}.mp4").read_bytes())
    assert len(files) == 1


def test_mp4_index_stands_first(tmp_path):
    write(Video(smooth(24, 64, 64), 24), tmp_path / "clip.mp4")
    content = (tmp_path / "clip.mp4").read_bytes()
    assert 0 < content.index(b"moov") < content.index(b"mdat")


@pytest.mark.parametrize("size", [(35, 50), (34, 51), (1, 1)])
def test_mp4_extends_odd_sides(tmp_path, size):
    frames = smooth(4, *size)
    write(Video(frames, 8), tmp_path / "odd.mp4", crf=4)
    back = read_video(tmp_path / "odd.mp4").frames
    assert back.shape[1:3] == (size[0] + size[0] % 2, size[1] + size[1] % 2)
    assert np.abs(back[:, : size[0], : size[1]].astype(int) - frames).mean() < 4


@pytest.mark.parametrize("fps", [8, 12.5, 24000 / 1001, 29.97002997002997, 60])
def test_rates_come_back(tmp_path, fps):
    write(Video(smooth(30, 16, 16), fps), tmp_path / "clip.mp4")
    back = read_video(tmp_path / "clip.mp4")
    assert back.fps == pytest.approx(fps, rel=1e-6)
    assert back.num_frames == 30


@pytest.mark.parametrize("metadata", [{"comment": 'a "red" ball; 日本 ' * 30, "title": "ball"}, {"langit.seed": "7"}])
def test_metadata_comes_back(tmp_path, metadata):
    video = Video(smooth(3, 16, 16), 8)
    for name in ("clip.mp4", "clip.gif"):
        write(video, tmp_path / name, metadata=metadata)
        assert probe(tmp_path / name).metadata == metadata
        assert read_video(tmp_path / name).num_frames == 3
    write(video.frames[:1], tmp_path / "image.png", fps=1, metadata=metadata)
    assert probe(tmp_path / "image.png").metadata == metadata


def test_sound_comes_back_in_step(tmp_path):
    tone = np.concatenate([sine(2.0), sine(2.0, hertz=300)])
    tone[:, :16000] = 0  # silence for one second, so that a shift shows
    video = Video(smooth(16, 32, 32), 8, Audio(tone, 16000))
    write(video, tmp_path / "clip.mp4")
    audio = read_video(tmp_path / "clip.mp4").audio
    assert (audio.rate, audio.samples.shape) == (16000, (2, 32000))
    assert np.abs(audio.samples[:, :15000]).max() < 0.02
    assert np.abs(audio.samples[:, 17000:30000] - tone[:, 17000:30000]).max() < 0.06
    with pytest.raises(InputError, match="part them"):
        write(video, tmp_path / "fast.mp4", fps=16)
    with pytest.warns(UserWarning, match="cannot hold sound"):
        write(video, tmp_path / "clip.gif")


def test_sound_of_an_odd_rate_is_resampled(tmp_path):
    audio = Audio(sine(1.0, rate=17000), 17000)
    write(Video(smooth(8, 32, 32), 8, audio), tmp_path / "clip.mp4")
    back = read_video(tmp_path / "clip.mp4").audio
    assert back.rate == 16000
    assert np.abs(back.samples[:, 2000:14000] - sine(1.0)[:, 2000:14000]).max() < 0.06


def test_probe_tells_what_was_written(tmp_path):
    write(Video(smooth(12, 48, 64), 12), tmp_path / "clip.mp4")
    info = probe(tmp_path / "clip.mp4")
    assert (info.frames, info.fps, info.size, info.seconds) == (12, 12, (48, 64), 1.0)
    assert (info.codec, info.pixel_format, info.has_audio, info.rotation) == ("h264", "yuv420p", False, 0)


@pytest.mark.parametrize("fps", [8, 24, 50])
def test_gif_round_trip(tmp_path, fps):
    video = Video(smooth(24, 48, 64), fps)
    write(video, tmp_path / "clip.gif")
    back = read_video(tmp_path / "clip.gif")
    assert back.fps == pytest.approx(fps, rel=0.01)
    assert back.shape == video.shape
    assert np.abs(back.frames.astype(int) - video.frames).mean() < 12  # dithered to 255 colours
    with Image.open(tmp_path / "clip.gif") as gif:
        assert gif.info["loop"] == 0


def test_gif_of_few_colours_is_exact_within_its_palette(tmp_path):
    video = Video(np.stack([numbered(i) for i in range(12)]), 10)
    write(video, tmp_path / "clip.gif")
    back = read_video(tmp_path / "clip.gif")
    assert np.abs(back.frames.astype(int) - video.frames).max() <= 1
    with pytest.raises(InputError, match="50 frames per second"):
        write(Video(video.frames, 60), tmp_path / "fast.gif")
    assert not list(tmp_path.glob("*fast*"))


def test_png_and_folder_are_exact(tmp_path):
    frames = smooth(3, 33, 47)
    write(frames[:1], tmp_path / "image.PNG", fps=1)
    np.testing.assert_array_equal(read_image(tmp_path / "image.PNG"), frames[0])
    (tmp_path / "existing").mkdir()
    for folder in (f"{tmp_path}/slash.d/", tmp_path / "plain", tmp_path / "existing"):
        write(iter(frames), folder, fps=8)
        files = sorted((tmp_path / folder).iterdir())
        assert [file.name for file in files] == ["000000.png", "000001.png", "000002.png"]
        np.testing.assert_array_equal(read_image(files[2]), frames[2])


def test_several_frames_do_not_fit_in_one_image(tmp_path):
    for video in (Video(smooth(2, 8, 8), 8), iter(smooth(2, 8, 8))):
        with pytest.raises(InputError, match="folder"):
            write(video, tmp_path / "image.png", fps=8)
    with pytest.raises(InputError, match="folder"):
        check_output(tmp_path / "image.png", frames=2)
    assert list(tmp_path.iterdir()) == []


def test_existing_output_needs_overwrite(tmp_path):
    video = Video(smooth(2, 8, 8), 8)
    for name in ("clip.mp4", "frames"):
        path = write(video, tmp_path / name)
        for check in (check_output, lambda target: write(video, target)):
            with pytest.raises(InputError, match="--overwrite"):
                check(path)
    write(video.frames[:1], tmp_path / "frames", fps=8, overwrite=True)
    assert [file.name for file in (tmp_path / "frames").iterdir()] == ["000000.png"]
    write(Video(smooth(5, 8, 8), 8), tmp_path / "clip.mp4", overwrite=True)
    assert probe(tmp_path / "clip.mp4").frames == 5
    assert sorted(file.name for file in tmp_path.iterdir()) == ["clip.mp4", "frames"]


def test_overwrite_never_takes_a_folder_of_other_files(tmp_path):
    (tmp_path / "000000.png").touch()
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(InputError, match=r"thesis\.tex"):
        write(smooth(2, 8, 8), tmp_path, fps=8, overwrite=True)
    assert (tmp_path / "thesis.tex").exists()


@pytest.mark.parametrize(
    ("name", "sentence"),
    [("clip.avi", r"\.avi"), ("clip.", r"folder|clip"), ("", "empty"), ("file/clip.mp4", "is a file")],
)
def test_outputs_that_cannot_be(tmp_path, name, sentence):
    (tmp_path / "file").touch()
    (tmp_path / "clip.").touch()
    with pytest.raises(InputError, match=sentence):
        check_output(f"{tmp_path}/{name}" if name else "")


def test_suffix_chooses_the_kind(tmp_path):
    (tmp_path / "looks.mp4").mkdir()
    names = ("a.mp4", "a.MP4", "a.gif", "a.png", "a", "a.b/", "looks.mp4")
    assert [kind_of(f"{tmp_path}/{name}") for name in names] == ["mp4", "mp4", "gif", "png"] + ["folder"] * 3


def test_missing_parents_are_made(tmp_path):
    write(smooth(1, 8, 8), tmp_path / "new" / "deep" / "clip.mp4", fps=8)
    assert probe(tmp_path / "new" / "deep" / "clip.mp4").frames == 1


@pytest.mark.parametrize("name", ["new/clip.mp4", "clip.gif", "image.png", "frames/"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_an_interrupted_write_leaves_nothing(tmp_path, name, error):
    def interrupted():
        yield smooth(1, 64, 64)[0]
        raise error

    with pytest.raises(error):
        write(interrupted(), f"{tmp_path}/{name}", fps=8)
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_overwrite_keeps_the_old(tmp_path):
    path = write(smooth(2, 8, 8), tmp_path / "clip.mp4", fps=8)
    old = path.read_bytes()
    with pytest.raises(InputError, match="Frame 1"):
        write([smooth(1, 8, 8)[0], smooth(1, 9, 8)[0]], path, fps=8, overwrite=True)
    assert path.read_bytes() == old
    assert [file.name for file in tmp_path.iterdir()] == ["clip.mp4"]


@pytest.mark.parametrize("name", ["clip.mp4", "clip.gif", "frames"])
def test_no_frames_no_file(tmp_path, name):
    with pytest.raises(InputError, match="No frame"), VideoWriter(tmp_path / name, 8, (8, 8)):
        pass
    with pytest.raises(InputError, match="No frame"):
        write(iter(()), tmp_path / name, fps=8)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [({"fps": 0}, "fps"), ({"fps": float("nan")}, "fps"), ({"fps": 8, "crf": 77}, "crf"), ({}, "give fps")]
    + [({"fps": 8, "metadata": {key: "text"}}, "metadata key") for key in ("", "a\nb", "é", " a", "k" * 80)],
)
def test_impossible_settings_are_refused(tmp_path, arguments, sentence):
    with pytest.raises(InputError, match=sentence):
        write(smooth(2, 8, 8), tmp_path / "clip.mp4", **arguments)
    assert list(tmp_path.iterdir()) == []


def test_sides_beyond_the_codec_are_refused(tmp_path):
    with pytest.raises(InputError, match="16384"):
        write(np.zeros((1, 2, 40_000, 3), np.uint8), tmp_path / "wide.mp4", fps=8)
    assert list(tmp_path.iterdir()) == []


FAILING = """
    import errno, os, sys
    import numpy as np
    from langit.media import write
    noise = np.random.default_rng(0)
    frames = (noise.integers(0, 256, (128, 128, 3)).astype(np.uint8) for _ in range(30))
    try:
        write(frames, sys.argv[1], fps=8)
    except OSError as error:
        assert error.errno in (errno.ENOSPC, errno.EFBIG), error
        assert "no room left" in str(error), error
        assert "clip" in str(error), error
    else:
        sys.exit("it was written")
    left = os.listdir(os.path.dirname(sys.argv[1]))
    assert left == [], left
"""


@pytest.mark.parametrize("name", ["clip.mp4", "clip.gif", "clip_frames"])
def test_files_beyond_the_limit_end_in_one_sentence(tmp_path, name):
    """The same path as a full disk (EFBIG in place of ENOSPC), wherever no small disk can be mounted."""
    limit = 30_000 if name == "clip_frames" else 200_000
    script = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))\n"
    command = [sys.executable, "-c", script + textwrap.dedent(FAILING), str(tmp_path / name)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("name", ["clip.mp4", "clip.gif", "clip_frames"])
def test_a_full_disk_ends_in_one_sentence(tmp_path, name):
    mount = ["unshare", "-rm", "sh", "-c", 'mount -t tmpfs -o size=200k none "$0" && exec "$@"', str(tmp_path)]
    if shutil.which("unshare") is None or subprocess.run([*mount, "true"], check=False, capture_output=True).returncode:
        pytest.skip("a small disk can be mounted only where user namespaces are allowed")
    command = [*mount, sys.executable, "-c", textwrap.dedent(FAILING), str(tmp_path / name)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def test_a_long_clip_streams_in_constant_memory(tmp_path):
    """640 frames of 240x320 are 147 MB; copying one file to another must not hold them."""
    script = """
        import resource, sys
        import numpy as np
        from langit.media import open_frames, write
        def frames(count):
            base = np.zeros((240, 320, 3), np.uint8)
            for index in range(count):
                base[:, index % 320] = index % 256
                yield base.copy()
        def copy(count, name):
            write(frames(count), f"{sys.argv[1]}/{name}.mp4", fps=24)
            with open_frames(f"{sys.argv[1]}/{name}.mp4") as stream:
                write(stream, f"{sys.argv[1]}/{name}.gif", fps=stream.fps)
            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        short = copy(100, "short")
        print(copy(640, "long") - short)
    """
    command = [sys.executable, "-c", textwrap.dedent(script), str(tmp_path)]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert float(result.stdout) < 40, f"{result.stdout} MB more than a short clip"
    assert probe(tmp_path / "long.gif").frames == 640


def test_numbers_survive_gif_and_mp4_in_order(tmp_path):
    video = Video(np.stack([numbered(i) for i in range(20)]), 10)
    for name in ("clip.mp4", "clip.gif"):
        write(video, tmp_path / name)
        assert [number_of(frame) for frame in read_video(tmp_path / name).frames] == list(range(20))
