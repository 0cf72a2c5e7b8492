"""Spectrograms by torch's own Fourier transform, with evenly spaced bands in the place of the mel scale."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn


class Spectrogram(nn.Module):
    """The power of each frequency over time."""

    def __init__(
        self, n_fft: int = 400, win_length: Any = None, hop_length: Any = None, *rest: Any, **given: Any
    ) -> None:
        super().__init__()
        self.size, self.power = n_fft, given.get("power", 2.0)
        self.length = win_length or n_fft
        self.hop = hop_length or self.length // 2
        self.register_buffer("window", torch.hann_window(self.length))

    def forward(self, wave: Tensor) -> Tensor:
        """(..., time) to (..., frequency, time)."""
        flat = wave.reshape(-1, wave.shape[-1])
        window = self.get_buffer("window")
        found = torch.stft(flat, self.size, self.hop, self.length, window, return_complex=True).abs()
        powered = found ** (self.power or 1.0)
        return powered.reshape(*wave.shape[:-1], *powered.shape[-2:])


class MelSpectrogram(nn.Module):
    """The power in bands over time."""

    def __init__(self, sample_rate: int = 16000, n_fft: int = 400, *rest: Any, n_mels: int = 128, **given: Any) -> None:
        super().__init__()
        names = ("win_length", "hop_length")
        lengths = dict(zip(names, rest, strict=False)) | {name: given[name] for name in names if name in given}
        self.spectrogram, self.bands = Spectrogram(n_fft, **lengths), n_mels

    def forward(self, wave: Tensor) -> Tensor:
        """(..., time) to (..., band, time)."""
        power: Tensor = self.spectrogram(wave)
        flat = power.reshape(-1, *power.shape[-2:])
        banded = nn.functional.interpolate(flat[:, None], (self.bands, flat.shape[-1]), mode="area")[:, 0]
        return banded.reshape(*power.shape[:-2], *banded.shape[-2:])


class MFCC(MelSpectrogram):
    """The logarithm of a few bands."""

    def __init__(
        self, sample_rate: int = 16000, n_mfcc: int = 40, *rest: Any, melkwargs: Any = None, **given: Any
    ) -> None:
        known = {name: value for name, value in (melkwargs or {}).items() if name != "n_mels"}
        super().__init__(sample_rate, n_mels=n_mfcc, **known)

    def forward(self, wave: Tensor) -> Tensor:
        """(..., time) to (..., coefficient, time)."""
        return (super().forward(wave) + 1e-6).log()


class AmplitudeToDB(nn.Module):
    """Decibels."""

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__()

    def forward(self, power: Tensor) -> Tensor:
        """The same shape."""
        return 10 * power.clamp(min=1e-10).log10()


class Resample(nn.Module):
    """Another rate."""

    def __init__(self, orig_freq: int = 16000, new_freq: int = 16000, *rest: Any, **keywords: Any) -> None:
        super().__init__()
        self.share = new_freq / orig_freq

    def forward(self, wave: Tensor) -> Tensor:
        """As many samples as that rate has."""
        flat = wave.reshape(-1, 1, wave.shape[-1])
        found = nn.functional.interpolate(flat, size=max(1, round(wave.shape[-1] * self.share)), mode="linear")
        return found.reshape(*wave.shape[:-1], found.shape[-1])


class TimeMasking(nn.Module):
    """Nothing is masked."""

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__()

    def forward(self, power: Tensor, *rest: Any) -> Tensor:
        """The same."""
        return power


FrequencyMasking = Vol = TimeStretch = Fade = TimeMasking


def resample(wave: Tensor, orig_freq: int, new_freq: int, *rest: Any, **keywords: Any) -> Tensor:
    """A sound at another rate."""
    found: Tensor = Resample(orig_freq, new_freq)(wave)
    return found


functional = SimpleNamespace(resample=resample)
