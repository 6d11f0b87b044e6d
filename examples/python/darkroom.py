"""A client of darkroom's API. The types are those of `GET /openapi.json`."""

import random
import time
from pathlib import Path
from typing import Any, Callable, Literal, NotRequired, TypedDict

import requests

Status = Literal["waiting_for_upload", "waiting_for_thumbnails", "published", "invalid_content_type", "failed"]

# In these statuses nothing changes without a new upload.
FINAL: tuple[Status, ...] = ("published", "invalid_content_type", "failed")

# Error statuses that are worth a retry: a limit of the gateway, an outage, a restart.
RETRIED = (429, 502, 503, 504)
ATTEMPTS = 6
LONGEST_PAUSE_S = 30.0

# The limits for connecting and for silence. The server delays the answer to a status request by up to 20 s.
TIMEOUT_S = (10, 60)


class Upload(TypedDict):
    id: str
    uploadUrl: str
    uploadMethod: Literal["PUT"]
    uploadHeaders: dict[str, str]
    expiresAt: str


class Thumbnail(TypedDict):
    url: str
    width: int
    height: int
    bytes: int


class Image(TypedDict):
    id: str
    status: Status
    reason: NotRequired[str]
    detail: NotRequired[str]
    thumbnails: NotRequired[dict[str, Thumbnail]]


class DarkroomError(Exception):
    """An error answer, or an image that is not final in time."""


class Darkroom:
    """`url` is the API's address; `token` is one of `DARKROOM_API_TOKEN`, if the server has any."""

    def __init__(self, url: str, token: str | None = None) -> None:
        self.url = url.rstrip("/")
        self.api = requests.Session()
        if token:
            self.api.headers["Authorization"] = f"Bearer {token}"

    def create_image(self, content_type: str | None, content_length: int) -> Upload:
        """Asks for an upload URL that accepts one upload of exactly this type and length."""
        body = {"contentType": content_type, "contentLength": content_length}
        answer = send(lambda: self.api.post(f"{self.url}/images", json=body, timeout=TIMEOUT_S))
        wanted: Upload = checked(answer).json()
        return wanted

    def put(self, upload: Upload, path: Path) -> None:
        """Uploads a file. The URL is signed: it needs no token, and S3 refuses a request with a token."""

        def attempt() -> requests.Response:
            with path.open("rb") as file:
                return requests.put(
                    upload["uploadUrl"], data=file, headers=upload["uploadHeaders"], timeout=TIMEOUT_S
                )

        answer = send(attempt)
        # The URL works once. 412 means that an earlier attempt succeeded, and only its answer was lost.
        if answer.status_code != 412:
            checked(answer)

    def wait_until_final(self, image_id: str, timeout_s: float = 600) -> Image:
        """Polls the image until its status is final. The server delays each answer until then, for up to 20 s."""
        deadline = time.monotonic() + timeout_s
        pause = 0.25
        while True:
            params = {"until": "final"}
            answer = send(lambda: self.api.get(f"{self.url}/images/{image_id}", params=params, timeout=TIMEOUT_S))
            image: Image = checked(answer).json()
            if image["status"] in FINAL:
                return image
            # A server on AWS Lambda does not wait; its answer says when to ask again.
            pause_now = retry_after(answer) or pause
            if time.monotonic() + pause_now > deadline:
                raise DarkroomError(f"image {image_id} is still {image['status']} after {timeout_s:.0f} s")
            time.sleep(pause_now)
            pause = min(pause * 2, 5.0)


def send(attempt: Callable[[], requests.Response]) -> requests.Response:
    """Repeats a request while the server or the network fails, with growing pauses."""
    pause = 0.5
    for left in reversed(range(ATTEMPTS)):
        try:
            answer = attempt()
        except (requests.ConnectionError, requests.Timeout):
            if left == 0:
                raise
            wait = None
        else:
            if answer.status_code not in RETRIED or left == 0:
                return answer
            wait = retry_after(answer)
        # Clients that failed at the same time should not retry at the same time.
        time.sleep(wait or random.uniform(pause / 2, pause))
        pause = min(pause * 2, LONGEST_PAUSE_S)
    raise AssertionError("the last attempt returns or raises")


def retry_after(answer: requests.Response) -> float | None:
    """The seconds of `Retry-After`, limited to the longest pause."""
    seconds = answer.headers.get("Retry-After", "")
    return min(float(seconds), LONGEST_PAUSE_S) if seconds.isdecimal() else None


def checked(answer: requests.Response) -> requests.Response:
    """Raises an error for an error answer, with the server's explanation (RFC 9457)."""
    if answer.ok:
        return answer
    detail: Any = None
    if answer.headers.get("Content-Type", "").startswith("application/problem+json"):
        detail = answer.json().get("detail")
    raise DarkroomError(f"{answer.status_code} {answer.reason}: {detail or 'no details'}")
