"""Hashes of raw files, noted in the warehouse's folder, so that a night reads the new files and not those of all years again."""

import json
import time
from pathlib import Path

from pipeline.ingest.files import HashedFile, Snapshot

NOTES = "raw_files.json"
# A file written so lately may be written again without its stamp changing: clocks of file systems tick coarsely.
SETTLED_SECONDS = 10.0
_NS = 10**9


class RawHashes:
    """The hashes of raw files whose inode, size, and times of writing and of change are what they were when they were hashed.

    Whatever writes to a file changes its times, and who sets the time of writing back changes the other one. A note that cannot be
    read, or that is missing, costs reading the files again.
    """

    def __init__(self, root: Path | None) -> None:
        """Read the notes of the warehouse at ``root``; None = there are none yet."""
        self._notes = None if root is None else root / NOTES
        self._hashes = _read(self._notes) if self._notes else {}
        self._is_changed = False

    def snapshot(self, path: Path) -> Snapshot:
        """The file as it is now, read only where it is not the one that was hashed.

        Raises:
            SourceError: the file is missing or may not be read.
        """
        known, began = self._hashes.get(str(path)), time.time()
        found = Snapshot.of(path, known)
        *_, written_ns, changed_ns = found.stamp
        is_settled = began - max(written_ns, changed_ns) / _NS > SETTLED_SECONDS
        if known is None or known.stamp != found.stamp:
            self._is_changed = is_settled or known is not None or self._is_changed
            self._hashes.pop(str(path), None)
            if is_settled:
                self._hashes[str(path)] = HashedFile(found.stamp, found.sha256)
        return found

    def save(self) -> None:
        """Note the hashes, but for files that are gone; the caller is the one writer."""
        if not self._is_changed or self._notes is None:
            return
        kept = {path: [*known.stamp, known.sha256] for path, known in self._hashes.items() if Path(path).exists()}
        draft = self._notes.with_name(f".{NOTES}.draft")
        draft.write_text(json.dumps(kept, indent=0) + "\n", encoding="utf-8")
        draft.replace(self._notes)
        self._is_changed = False


def _read(notes: Path) -> dict[str, HashedFile]:
    try:
        found = json.loads(notes.read_text(encoding="utf-8"))
        return {
            path: HashedFile((inode, size, written, changed), sha) for path, (inode, size, written, changed, sha) in found.items()
        }
    except (OSError, ValueError, TypeError, AttributeError):
        return {}
