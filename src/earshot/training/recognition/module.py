"""The training of a recognizer as Lightning runs it."""

from __future__ import annotations

import contextlib
import copy
import logging
import math
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as lightning
import torch

from earshot.core.errors import TrainingError
from earshot.decoding.alphabet import Alphabet
from earshot.training.loop import average_weights, decay_groups, has_fast_bfloat16
from earshot.training.recognition.checkpoints import LAST, AtomicCheckpoints, Checkpoints
from earshot.training.recognition.feeding import Batch, Feed
from earshot.training.recognition.judging import Judge, Judged, total_loss
from earshot.training.recognition.options import LearningOptions


@dataclass(frozen=True, slots=True)
class EpochResult:
    """After one epoch. epoch: counts from 1. minutes: of training so far. loss: mean over letters, in nats, of
    the training; others: of the development set, rates over 0.
    """

    epoch: int
    step: int
    minutes: float
    loss: float
    dev_loss: float
    character_error_rate: float
    word_error_rate: float


class RecognizerTraining(lightning.LightningModule):
    """A net, its averaged weights, and where in the run it is; all of it goes into a checkpoint.

    Chance in a step is drawn from the run's seed and the step's number alone, so that a run which was stopped
    and taken up again goes the way of one that was not. facts: what must not change until it is taken up again,
    by name. tell: gets each epoch's result and samples.
    """

    def __init__(
        self,
        net: Any,
        feed: Feed,
        judge: Judge,
        alphabet: Alphabet,
        options: LearningOptions,
        *,
        facts: Mapping[str, Any] | None = None,
        tell: Callable[[EpochResult, Judged], object] | None = None,
    ) -> None:
        super().__init__()
        self.net, self.average = net, copy.deepcopy(net).requires_grad_(False).eval()
        self.feed, self.judge, self.alphabet, self.options = feed, judge, alphabet, options
        self._facts, self._tell = dict(facts or {}), tell
        self.step = 0
        self.seconds = 0.0
        self.curve: list[EpochResult] = []
        self.losses: list[float] = []
        self.best_rate = math.inf
        self.best: dict[str, Any] = {}
        self._without_better = 0
        self._began = 0.0
        self._batch: Batch | None = None
        self.is_stopped = False

    def train_dataloader(self) -> Iterator[Batch]:
        """The feed itself: it knows where to go on."""
        return self.feed  # type: ignore[return-value]

    def transfer_batch_to_device(self, batch: Batch, _device: Any, _loader: int) -> Batch:
        """Nothing: the loss puts its tensors where the net is."""
        return batch

    def configure_optimizers(self) -> Any:
        """Adam, or AdamW with weights that decay and biases that do not."""
        options = self.options
        if options.optimizer == "adam":
            return torch.optim.Adam(self.net.parameters(), lr=options.learning_rate)
        groups = decay_groups(list(self.net.parameters()), options.weight_decay)
        return torch.optim.AdamW(groups, lr=options.learning_rate, betas=(0.9, 0.98))

    def share_done(self, batch: Batch) -> float:
        """Of the whole run, [0, 1]."""
        shares = [0.0]
        if self.options.epochs is not None:
            shares.append((batch.epoch + batch.number / batch.num_batches) / self.options.epochs)
        if self.options.minutes is not None:
            shares.append(self.seconds / (60 * self.options.minutes))
        return min(1.0, max(shares))

    def on_train_batch_start(self, batch: Batch, _batch_idx: int) -> None:
        """Sets the rate and the chance of this step."""
        self._began, self._batch = time.monotonic(), batch
        torch.manual_seed(self.options.seed * 1_000_003 + self.step * 64 + self.global_rank)
        rate = self.options.learning_rate * _rate(self.share_done(batch), self.options)
        for group in self.trainer.optimizers[0].param_groups:
            group["lr"] = rate

    def training_step(self, batch: Batch, _batch_idx: int) -> torch.Tensor:
        """CTC's −log p of the texts, in nats a letter. Raises TrainingError when it is no number."""
        loss = ctc_loss(self.net, batch)
        value = float(loss.detach())
        if not math.isfinite(value):
            raise self._no_number("loss")
        self.losses.append(value)
        return loss

    def configure_gradient_clipping(
        self, _optimizer: Any, gradient_clip_val: Any = None, gradient_clip_algorithm: Any = None
    ) -> None:
        """To ``clip``. Raises TrainingError for a slope that is no number: it would spoil every weight."""
        del gradient_clip_val, gradient_clip_algorithm
        norm = torch.nn.utils.clip_grad_norm_(self.net.parameters(), self.options.clip or math.inf)
        if not math.isfinite(float(norm)):
            raise self._no_number("slope")

    def _no_number(self, what: str) -> TrainingError:
        assert self._batch is not None
        batch = self._batch
        names = [self.feed.side.utterances[int(index)].name for index in batch.indices]
        more = f" and {len(names) - 5} more" if len(names) > 5 else ""
        return TrainingError(
            f"the {what} of batch {batch.number + 1} of epoch {batch.epoch + 1} is no number: "
            f"{', '.join(names[:5])}{more}",
            fix="lower learning.learning_rate, or look at these recordings, and --resume",
        )

    def on_train_batch_end(self, _outputs: Any, batch: Batch, _batch_idx: int) -> None:
        """Averages the weights; at an epoch's end, judges them."""
        self.step += 1
        stays = min(self.options.average, (1 + self.step) / (10 + self.step)) if self.options.average else 0.0
        average_weights(self.average, self.net, stays)
        self.seconds += time.monotonic() - self._began
        self.feed.start = (batch.epoch + 1, 0) if batch.is_last else (batch.epoch, batch.number + 1)
        # One clock for all processes, as it sets the rate; and whoever is stopped stops all.
        self.seconds = self._shared(self.seconds)
        self.is_stopped = self._shared(float(self.is_stopped)) > 0
        is_over = self.is_stopped or self.share_done(batch) >= 1
        if batch.is_last or (is_over and not self.is_stopped):
            is_over = self._judged(batch) or is_over
        if batch.is_last and self.options.epochs is not None and batch.epoch + 1 >= self.options.epochs:
            is_over = True
        self.trainer.should_stop = is_over

    def _judged(self, batch: Batch) -> bool:
        """Judges on the development set; returns whether patience is over."""
        judged = self.judge(self.average)
        result = EpochResult(
            batch.epoch + 1,
            self.step,
            self.seconds / 60,
            self._shared(float(np.mean(self.losses))),
            judged.loss,
            judged.character_error_rate,
            judged.word_error_rate,
        )
        self.curve.append(result)
        self.losses.clear()
        self._without_better += 1
        if judged.character_error_rate < self.best_rate:
            self.best_rate, self._without_better = judged.character_error_rate, 0
            self.best = copy.deepcopy(self.average.state_dict())
        if self._tell is not None and self.trainer.is_global_zero:
            self._tell(result, judged)
        return self.options.patience is not None and self._without_better > self.options.patience

    def _shared(self, value: float) -> float:
        """The mean over all processes."""
        if self.trainer.world_size == 1:
            return value
        number = torch.tensor(value, dtype=torch.float64, device=self.device)
        return float(self.trainer.strategy.reduce(number, reduce_op="mean"))

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Adds what Lightning does not know of."""
        checkpoint["earshot"] = {
            "alphabet": self.alphabet.to_json(),
            "facts": self._facts,
            "start": list(self.feed.start),
            "step": self.step,
            "seconds": self.seconds,
            "losses": self.losses,
            "curve": [asdict(one) for one in self.curve],
            "best": self.best,
            "best_rate": self.best_rate,
            "without_better": self._without_better,
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Goes on there; ``check_same`` has told before whether it may."""
        state = checkpoint["earshot"]
        self.feed.start = tuple(state["start"])
        self.step, self.seconds, self.losses = state["step"], state["seconds"], state["losses"]
        self.curve = [EpochResult(**one) for one in state["curve"]]
        self.best, self.best_rate = state["best"], state["best_rate"]
        self._without_better = state["without_better"]


def ctc_loss(net: Any, batch: Batch) -> Any:
    """In nats a letter: the sum over utterances by the letters of all; a guess in the middle counts too."""
    device = next(net.parameters()).device
    features = torch.from_numpy(batch.features).to(device)
    lengths = torch.from_numpy(batch.lengths).to(device)
    num_letters = max(1, len(batch.targets))
    share = getattr(net, "intermediate", 0.0)
    if net.training and share:
        found, found_lengths, middle = net.with_middle(features, lengths)
        ours, guessed = (total_loss(one, found_lengths, batch) / num_letters for one in (found, middle))
        return (1 - share) * ours + share * guessed
    found, found_lengths = net(features, lengths)
    return total_loss(found, found_lengths, batch) / num_letters


def fit(
    training: RecognizerTraining, folder: Path, *, is_resumed: bool = False, num_processes: int = 1
) -> RecognizerTraining:
    """Run it to its end; ``folder`` holds the last checkpoint. Ctrl-C leaves one too, and is raised then.

    Raises TrainingError, OutputError.
    """
    options = training.options
    is_bfloat16 = options.precision == "bfloat16" or (options.precision == "auto" and has_fast_bfloat16())
    _hush()
    checkpoints = Checkpoints(folder / LAST, options.checkpoint_minutes)
    trainer = lightning.Trainer(
        accelerator="auto" if torch.cuda.is_available() else "cpu",
        devices=num_processes,
        num_nodes=max(1, training.feed.num_ranks // num_processes),
        strategy="ddp" if num_processes > 1 else "auto",
        precision="bf16-mixed" if is_bfloat16 else "32-true",
        max_epochs=-1,
        callbacks=[checkpoints],
        plugins=[AtomicCheckpoints()],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        num_sanity_val_steps=0,
    )
    path = str(folder / LAST) if is_resumed else None
    with warnings.catch_warnings(), _stopping(training):
        warnings.simplefilter("ignore")  # of Lightning, about loaders and processors
        try:
            trainer.fit(training, ckpt_path=path)
        except SystemExit as end:  # so Lightning answers Ctrl-C, printing lines of its own
            raise (KeyboardInterrupt("go on with --resume") if training.is_stopped else end) from None
    if training.is_stopped:
        raise KeyboardInterrupt("go on with --resume")
    return training


@contextlib.contextmanager
def _stopping(training: RecognizerTraining) -> Iterator[None]:
    """Ctrl-C lets the step end, so that the checkpoint is one of a whole step; a second one does not wait."""

    def stop(_number: int, _frame: Any) -> None:
        training.is_stopped = True
        signal.signal(signal.SIGINT, signal.default_int_handler)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _rate(done: float, options: LearningOptions) -> float:
    if options.schedule == "constant":
        return 1.0
    if done < options.warm_up:
        return max(done / options.warm_up, 0.01)
    share = (done - options.warm_up) / (1 - options.warm_up)
    return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(1.0, share)))


def _hush() -> None:
    """Lightning tells of its devices and of a service of its makers; the library stays silent."""
    for name in ("pytorch_lightning", "lightning.pytorch", "pytorch_lightning.utilities.rank_zero"):
        logging.getLogger(name).setLevel(logging.ERROR)
