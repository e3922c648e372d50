"""Is an ONNX file what was exported? Two digests in its own metadata say so, wherever it was moved, whatever its name.

`ttl.sha256_graph` is over all of the file but its metadata, as it is stored: the raw bytes of the message's top-level
fields other than `metadata_props`, in their order. `ttl.sha256_metadata` is over all other metadata: the pairs of key
and value, sorted, as a JSON list without spaces.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import onnx

from ttl.cost.session import check_file
from ttl.errors import ExportError

OF_GRAPH, OF_METADATA = "ttl.sha256_graph", "ttl.sha256_metadata"
GRAPH, METADATA = 7, 14
"""Numbers of fields of ONNX's ModelProto."""
VARINT, SIZED, FIXED = 0, 2, {1: 8, 5: 4}
"""Protobuf's wire types; of the last ones the size in bytes."""
DAMAGED = "{path} is damaged{perhaps}: its bytes aren't those that were exported; export it again."
Field = tuple[int, memoryview, memoryview]
"""Number, the raw bytes with the tag, and what a sized one holds."""


def seal(content: bytes, properties: Mapping[str, str]) -> bytes:
    """A file's content with these metadata, in place of those that it has, and the digests.

    The metadata come before the graph: a file that is cut short has lost some of what its digests are of, and none of
    the digests.
    """
    fields = [field for field in _fields(memoryview(content)) if field[0] != METADATA]
    others = {key: value for key, value in properties.items() if key not in (OF_GRAPH, OF_METADATA)}
    described = onnx.ModelProto()
    onnx.helper.set_model_props(described, _digests(fields, others) | others)
    parts = [raw for _, raw, _ in fields]
    parts.insert([number for number, _, _ in fields].index(GRAPH), memoryview(described.SerializeToString()))
    return b"".join(parts)


def check_digests(path: Path) -> dict[str, str]:
    """The metadata of a file, without the digests, if its bytes are those that were exported or it has no digests.

    Raises:
        ExportError: there is no such file, or it is damaged.
    """
    return read_whole(path)[1]


def read_whole(path: Path) -> tuple[bytes, dict[str, str]]:
    """The bytes that were looked at, too: the file may be another one by the time that it is read again.

    Raises:
        ExportError: there is no such file, or it is damaged.
    """
    check_file(path)
    try:
        content = path.read_bytes()
        fields = list(_fields(memoryview(content)))
        properties = dict(_entry(payload) for number, _, payload in fields if number == METADATA)
    except OSError as error:
        raise ExportError(f"{path} can't be read: {error.strerror or error}.") from error
    except (ValueError, IndexError) as error:
        raise ExportError(DAMAGED.format(path=path, perhaps=" or isn't an ONNX file")) from error
    stated = {key: properties.pop(key, None) for key in (OF_GRAPH, OF_METADATA)}
    # A damaged length may have hidden the digests within another field: their names are still somewhere.
    is_sealed = any(stated.values()) or OF_GRAPH.encode() in content
    if is_sealed and stated != _digests(fields, properties):
        raise ExportError(DAMAGED.format(path=path, perhaps=""))
    return content, properties


def _digests(fields: Sequence[Field], properties: Mapping[str, str]) -> dict[str, str]:
    graph = hashlib.sha256()
    for number, raw, _ in fields:
        if number != METADATA:
            graph.update(raw)
    pairs = json.dumps(sorted(properties.items()), ensure_ascii=False, separators=(",", ":"))
    metadata = hashlib.sha256(pairs.encode())
    return {OF_GRAPH: json.dumps(graph.hexdigest()), OF_METADATA: json.dumps(metadata.hexdigest())}


def _fields(content: memoryview) -> Iterator[Field]:
    """The fields of a protobuf message, one level deep; ValueError or IndexError where it is none."""
    end = 0
    while end < len(content):
        start = end
        tag, end = _varint(content, end)
        number, wire_type = tag >> 3, tag & 7
        if wire_type in (SIZED, VARINT):
            value, end = _varint(content, end)
            size = value if wire_type == SIZED else 0
        else:
            size = FIXED.get(wire_type, len(content))  # another type is damage: it ends beyond the message
        payload, end = content[end : end + size], end + size
        if not number or end > len(content):
            raise ValueError("it isn't a whole protobuf message")
        yield number, content[start:end], payload


def _varint(content: memoryview, at: int) -> tuple[int, int]:
    """A number, seven bits a byte, the lowest first; and where it ends."""
    value = 0
    for shift in range(0, 64, 7):
        value |= (content[at] & 0x7F) << shift
        at += 1
        if content[at - 1] < 0x80:
            return value, at
    raise ValueError("a number goes on beyond 64 bits")


def _entry(message: memoryview) -> tuple[str, str]:
    (first, _, key), (second, _, value) = _fields(message)
    if (first, second) != (1, 2):
        raise ValueError("it isn't key and value")
    return str(key, "utf-8"), str(value, "utf-8")
