"""What a tokenizer's recipe returns: the causal autoencoder, the footage it is shown, and the course of its training."""

from __future__ import annotations

from dataclasses import dataclass

from langit.tokenizer.autoencoder import AutoencoderConfig
from langit.training.config import CorpusConfig, OptimizerConfig, fingerprint
from langit.types import InputError


@dataclass(frozen=True)
class PieceConfig:
    """The pieces that are cut out of clips, each where most happens of a few places looked at.

    The faults of an autoencoder lie where things move: three quarters of the squared error of linear patches in a tenth of
    the boxes.
    """

    frames: int = 9
    side: int = 32  # pixels, up and across
    candidates: int = 6  # places looked at
    footage: str = ""  # a folder of videos to train on beside the simulated ones; none where empty
    share: float = 0.5  # of pieces that come from there
    scale: int = 128  # pixels of the shorter side to which real footage is scaled
    runs: int = 64  # stretches of `frames` frames that are kept of each video, at most

    def __post_init__(self) -> None:
        if min(self.frames, self.side, self.candidates, self.scale, self.runs) < 1:
            raise InputError(f"The sizes and counts of the pieces are at least 1; not {self}.")
        if not 0 <= self.share <= 1:
            raise InputError(f"The share of real footage is between 0 and 1, not {self.share}.")


@dataclass(frozen=True)
class TokenizerTraining:
    """A tokenizer recipe's whole answer. `InputError` where its parts do not fit together."""

    name: str
    autoencoder: AutoencoderConfig
    corpus: CorpusConfig  # the simulated clips; their linear tokenizer is what the autoencoder begins as
    steps: int
    begin_as: str = ""  # a model whose linear tokenizer it begins as; where empty, the corpus's own
    keep_latents: bool = False  # whether the latents stay as they begin, and only the way back is trained
    pieces: PieceConfig = PieceConfig()
    batch: int = 8  # pieces to a step
    noise: float = 0.1  # that latents get before they are decoded, in shares of their deviation
    optimizer: OptimizerConfig = OptimizerConfig(learning_rate=1.5e-3, ends_rate=1.0, warmup=50, weight_decay=0.0)
    first_clips: int = 256  # clips that must exist before the first step
    growth: float = 1.0  # clips that each step adds to those drawn from, until all are
    fitted: int = 192  # clips that the components are fitted to
    measured: int = 16  # clips that the latents' statistics and the samples are taken from
    checkpoint_every: int = 200  # steps
    samples_every: int = 1000  # steps
    seed: int = 0

    def __post_init__(self) -> None:
        mine, theirs = self.autoencoder, self.corpus
        if (mine.stride, mine.channels) != (theirs.stride, theirs.channels) or theirs.tokenizer != "linear":
            raise InputError(
                f"An autoencoder of stride {mine.stride} and {mine.channels} channels begins as linear patches of the same; "
                f"the corpus has {theirs.tokenizer!r} of stride {theirs.stride} and {theirs.channels} channels."
            )
        t, h, w = mine.stride
        piece = self.pieces
        if (piece.frames - 1) % t or piece.side % h or piece.side % w:
            raise InputError(
                f"Pieces of {piece.frames} frames of {piece.side}x{piece.side} were asked for; this autoencoder takes "
                f"1 + a multiple of {t} frames and sides that are multiples of {h}."
            )
        for _, shape in theirs.shapes:
            if piece.frames > shape.frames or piece.side > min(shape.height, shape.width):
                raise InputError(
                    f"Pieces of {piece.frames} frames of {piece.side}x{piece.side} do not fit into clips of {shape}."
                )
        if piece.footage and piece.side > piece.scale:
            raise InputError(f"Pieces of {piece.side} pixels do not fit into footage of {piece.scale}.")
        if not 0 <= self.noise < 1:
            raise InputError(
                f"The noise on latents is a share of their deviation, from 0 to below 1; not {self.noise}."
            )
        if min(self.steps, self.batch, self.fitted, self.measured) < 1:
            raise InputError("Steps, batch, and the clips to fit to and to measure are at least 1.")
        if max(self.fitted, self.measured) > theirs.clips:
            raise InputError(
                f"The recipe fits to {self.fitted} clips and measures {self.measured}, but makes {theirs.clips}."
            )

    def fingerprint(self) -> str:
        """Changes when anything does that changes the weights."""
        return fingerprint(self)
