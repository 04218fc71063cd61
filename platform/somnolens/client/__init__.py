"""A client of the service, in one process or asynchronous; needs neither PyTorch nor Ray.

>>> from somnolens.client import Client
>>> Client("http://127.0.0.1:8000").url
'http://127.0.0.1:8000'
"""

from somnolens.client.answers import Doubt, Explanation, Night, NightStatus, Progress, Spectrogram, Statistic
from somnolens.client.asynchronous import AsyncClient
from somnolens.client.retrying import RefusedError, Retries
from somnolens.client.synchronous import Client

__all__ = [
    "AsyncClient",
    "Client",
    "Doubt",
    "Explanation",
    "Night",
    "NightStatus",
    "Progress",
    "RefusedError",
    "Retries",
    "Spectrogram",
    "Statistic",
]
