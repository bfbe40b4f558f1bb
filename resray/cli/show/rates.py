"""A schedule's learning rates in words: ``0.01 to 0.1 in 5 epochs, then 0.01 to 1e-4 every 25
steps``. Imports no torch."""

from resray.study.optimizer_spec import (
    Annealing,
    Constant,
    CosineRestarts,
    OneCycle,
    Part,
    Plateau,
    Schedule,
    Sequential,
    StepDecay,
    spans,
)


def rates(schedule: Schedule, lr: float, epochs: int) -> str:
    """Return the real rates of a training, its ``lr`` times the schedule's factors."""
    parts = [
        (f"epochs {first + 1} to {last}: ", of_part(part, lr, last - first))
        for part, first, last in spans(schedule, epochs)
    ]
    in_sequence = isinstance(schedule, Sequential)
    return "; ".join(f"{span}{text}" if in_sequence else text for span, text in parts)


def of_part(part: Part | Plateau, lr: float, epochs: int) -> str:
    """Return the rates of a schedule without parts of its own over its epochs."""
    if isinstance(part, Plateau):
        times = f"times {part.gamma:g} after {counted(part.patience, 'epoch')}"
        least = f", at least {number(lr * part.end)}" if part.end else ""
        return f"{number(lr)}, {times} without a better accuracy{least}"
    by_epoch = ", set by epoch" if part.interval == "epoch" else ""
    if isinstance(part, OneCycle):
        start, peak, end = (number(lr * factor) for factor in (part.start, 1.0, part.end))
        made_for = within(part, epochs)
        return f"{start} up to {peak} and down to {end}{made_for}{by_epoch}"
    warmup = part.warmup_epochs
    start, top = number(lr * part.warmup_start), number(lr * part.warmup_end)
    before = f"{start} to {top} in {counted(warmup, 'epoch')}, then " if warmup else ""
    return before + after_warmup(part, lr, epochs, warmup) + by_epoch


def after_warmup(
    part: Constant | Annealing | StepDecay | CosineRestarts, lr: float, epochs: int, warmup: float
) -> str:
    """Return the rates after the warm-up, if there is one."""
    peak = number(lr)
    if isinstance(part, Constant):
        return peak
    if isinstance(part, StepDecay):
        milestones = ", ".join(f"{epoch:g}" for epoch in part.milestones)
        return f"{peak}, times {part.gamma:g} after {milestones} epochs"
    end = number(lr * part.end)
    if isinstance(part, CosineRestarts):
        longer = f", each time {part.period_factor:g} times as long" * (part.period_factor != 1)
        return f"{peak} to {end} every {counted(part.period, part.unit[:-1])}{longer}"
    again = ""
    if part.name == "cosine" and part.length is not None:
        if part.unit == "steps":
            again = " and back, again and again"
        elif part.length < epochs:
            again = f", then up again to epoch {epochs}"
    line = " along a line" if part.name == "linear" else ""
    return f"{peak} to {end}{line}{within(part, epochs, warmup)}{again}"


def within(part: Annealing | OneCycle, epochs: int, warmup: float = 0) -> str:
    """Return how long a schedule takes, and how much of that the training has."""
    length = epochs if part.length is None else part.length
    if part.unit == "steps" and part.length is not None:
        return f" in {counted(length, 'step')}"
    cut = f", of which {epochs} are run" if length > epochs else ""
    return f" in {counted(length - warmup, 'epoch')}{cut}"


def number(rate: float) -> str:
    """Return a rate to four digits, small ones as ``1e-5``."""
    text = f"{rate:.4g}" if rate >= 0.001 or not rate else f"{rate:.4e}"
    mantissa, mark, exponent = text.partition("e")
    if not mark:
        return text
    return f"{float(mantissa):g}e{int(exponent)}"


def counted(amount: float, unit: str) -> str:
    return f"{amount:g} {unit}{'s' * (amount != 1)}"
