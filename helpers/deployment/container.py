"""Stage 5: the service as a container image, and as Kubernetes runs it; both written, nothing started."""

from __future__ import annotations

import re

PORT = 8080  # what the large clouds expect of a container that they bring themselves
FOLDER = "/service"  # in the container: the keys, the log, the feedback
_USER = 10001  # anybody but root


def containerfile() -> str:
    """Return a Containerfile (Docker calls it Dockerfile) that builds the service from a checkout.

    Build it where `requirements.txt` lies: `podman build -t lab:1 -f Containerfile .`, or with docker.
    Packages come first: a change of our code then builds in seconds. Any word after the image's name is
    passed over, as some clouds add one.

    Examples
    --------
    >>> print(containerfile().splitlines()[1])
    FROM ${BASE}
    """
    return f"""\
ARG BASE=python:3.11-slim
FROM ${{BASE}}
WORKDIR /app
COPY requirements.txt .
RUN python3 -m pip install --no-cache-dir --require-hashes -r requirements.txt
COPY helpers helpers
ENV PYTHONPATH=/app PYTHONUNBUFFERED=1 HOME=/tmp
RUN mkdir {FOLDER} && chown {_USER} {FOLDER}
USER {_USER}
EXPOSE {PORT}
ENTRYPOINT ["sh", "-c", "exec python3 -m helpers.course.cli serve --host 0.0.0.0 --port {PORT} --folder {FOLDER}"]
"""


def manifests(image: str) -> list[dict]:
    """Return what Kubernetes is told: a Deployment of two copies, and a Service in front of them.

    A copy gets requests while `/ready` says yes; one whose `/health` says nothing is started anew. While a
    new image comes, no copy goes before its successor is ready. The keys are a Secret named `lab-keys`
    with a file `keys.json`; a copy writes to its own folder only, which goes with it.

    Parameters
    ----------
    image : name and tag; a tag is a version, so `latest` is refused.

    Raises
    ------
    ValueError
        If the image has no tag of its own.

    Examples
    --------
    >>> [one["kind"] for one in manifests("lab:1")]
    ['Deployment', 'Service']
    """
    if not re.fullmatch(r"[a-z0-9][a-z0-9./:_-]*:[A-Za-z0-9_.-]+", image) or image.endswith(":latest"):  # fmt: skip
        raise ValueError(f"image is a name with a tag that says which version it is, such as lab:1; got {image!r}. Nobody can roll back to 'latest'.")  # fmt: skip
    named = {"app": "lab"}
    container = {
        "name": "lab",
        "image": image,
        "ports": [{"containerPort": PORT}],
        "startupProbe": _probe("/health", periodSeconds=2, failureThreshold=60),  # it trains first
        "readinessProbe": _probe("/ready", periodSeconds=2),
        "livenessProbe": _probe("/health", periodSeconds=10),
        "resources": {"requests": {"cpu": "500m", "memory": "512Mi"}, "limits": {"memory": "1Gi"}},
        "securityContext": {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}},
        "volumeMounts": [
            {"name": "own", "mountPath": FOLDER},
            {"name": "own", "mountPath": "/tmp"},
            {"name": "keys", "mountPath": f"{FOLDER}/keys.json", "subPath": "keys.json", "readOnly": True},
        ],
    }  # fmt: skip
    pod = {
        "securityContext": {"runAsNonRoot": True, "runAsUser": _USER, "fsGroup": _USER},
        "containers": [container],
        "volumes": [
            {"name": "own", "emptyDir": {}},
            {"name": "keys", "secret": {"secretName": "lab-keys"}},
        ],
    }
    gently = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}
    template = {"metadata": {"labels": named}, "spec": pod}
    spec = {"replicas": 2, "strategy": gently, "selector": {"matchLabels": named}, "template": template}  # fmt: skip
    front = {"selector": named, "ports": [{"port": 80, "targetPort": PORT}]}
    return [
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "lab"}, "spec": spec},
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "lab"}, "spec": front},
    ]


def _probe(path, **often):
    return {"httpGet": {"path": path, "port": PORT}, **often}
