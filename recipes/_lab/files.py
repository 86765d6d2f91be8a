"""Files that are written whole or not at all, and the folder of one run."""

import contextlib
import csv
import errno
import fcntl
import hashlib
import io
import itertools
import os
import re
import shutil
import tempfile
import time
import zipfile
from pathlib import Path

import numpy as np

from recipes._lab.errors import UserError

ANOTHER_FOLDER = "give another folder (OUT=... or --out ...)"


def write(path, content, *, durable=True, remedy=ANOTHER_FOLDER):
    """Write text or bytes to a file, whole or not at all: to a temporary file, then renamed.

    Args:
        path: of the file.
        content: text or bytes.
        durable: whether to wait for the disk, so that even a power failure tears nothing.
        remedy: how the user can have it written elsewhere, see `explained`.

    Raises:
        UserError: the disk is full, the folder isn't writable, ...
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    data = content.encode() if isinstance(content, str) else content
    with explained(path, remedy):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with open(temporary, "wb") as file:
                file.write(data)
                if durable:
                    file.flush()
                    os.fsync(file.fileno())
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)


def write_beside(path, content):
    """Write text to a file that may be there already, changed by the user: then beside it.

    Args:
        path: of the file; if its content is another, the next free of `<name>-2.<suffix>`, ...
        content: text.

    Returns:
        The path of the file that has the content.

    Raises:
        UserError: see `write`.
    """
    path = Path(path)
    data = content.encode()
    others = (path.with_name(f"{path.stem}-{number}{path.suffix}") for number in itertools.count(2))
    with explained(path):
        chosen = next(
            candidate
            for candidate in itertools.chain([path], others)
            if not candidate.exists() or (candidate.is_file() and candidate.read_bytes() == data)
        )
    write(chosen, data)
    return chosen


@contextlib.contextmanager
def explained(path, remedy=ANOTHER_FOLDER):
    """Turn an error in writing to path, Python's or TensorFlow's, into one line with a remedy.

    Args:
        path: of the file or folder.
        remedy: how the user can have it written elsewhere; None if nothing but that place will do.
    """
    try:
        yield
    except Exception as error:
        # Only TensorFlow's errors have an error_code: no need to import it to recognize them.
        if not (isinstance(error, OSError) or hasattr(error, "error_code")):
            raise
        reason = getattr(error, "strerror", None) or getattr(error, "message", error)
        remedies = [remedy] if remedy else []
        if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            remedies.insert(0, "free some space")
        advice = " or ".join(remedies) or "see to it that it can be written"
        raise UserError(f"can't write {str(path)!r}: {reason}; {advice}") from error


def check_writable(path, remedy):
    """Raise a UserError, which ends in a remedy, unless a file can be written there."""
    path = Path(path)
    with explained(path, remedy):
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent):
            pass


def csv_text(rows):
    """Return rows as the text of a .csv file."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def joined(head, tables):
    """Return several tables as one, each row behind what tells its table from the others.

    Args:
        head: names of the columns in front.
        tables: pairs of their values and a table, a list of rows with a head. A column that a table
            lacks is empty there.
    """
    columns = list(dict.fromkeys(name for _, table in tables for name in table[0]))
    rows = []
    for where, (names, *cells) in tables:
        places = [names.index(name) if name in names else None for name in columns]
        rows += [(*where, *("" if n is None else row[n] for n in places)) for row in cells]
    return [(*head, *columns), *rows]


def slug(name):
    """Return a folder's name for a display name: letters, digits and `. _ = + -` stay."""
    return re.sub(r"[^\w.=+-]+", "_", name).strip("._") or "_"


class Store:
    """Finished work of a run that isn't finished: arrays by key, in one folder.

    Args:
        folder: made when the first arrays are saved.
    """

    def __init__(self, folder):
        self.folder = Path(folder)

    def save(self, key, arrays):
        """Keep a dict of arrays, whole or not at all."""
        file = io.BytesIO()
        np.savez(file, **arrays)
        # Nobody waits for the disk: a file that a power failure tears counts as none.
        write(self.folder / f"{key}.npz", file.getbuffer(), durable=False)

    def load(self, key):
        """Return the dict of arrays, or None; a damaged file counts as none."""
        path = self.folder / f"{key}.npz"
        if not zipfile.is_zipfile(path):
            return None
        try:
            with open(path, "rb") as file, np.load(file, allow_pickle=False) as arrays:
                return dict(arrays)
        except Exception:  # a damaged archive fails in more ways than can be listed
            return None

    def clear(self):
        """Forget everything."""
        shutil.rmtree(self.folder, ignore_errors=True)


# Unfinished runs and searches that nobody has resumed for longer than this are deleted.
KEEP_UNFINISHED_SECONDS = 30 * 24 * 3600


class RunFolder:
    """`<out>/<recipe>/<data>`: holds the latest finished run, swapped in whole.

    While a run works, it owns a lock and collects its files in a folder of its own; `finish` puts
    that in the place of the previous run. The lock is the operating system's, so it goes when the
    process does, however that ends.

    Args:
        out: the folder of all runs.
        recipe: name of the recipe.
        data: display name of the data.
    """

    def __init__(self, out, recipe, data):
        self.cache = Path(out) / ".cache"
        self.final = Path(out) / recipe / slug(data)
        self.work = self.cache / f"{recipe}-{slug(data)}.new"
        self.old = self.cache / f"{recipe}-{slug(data)}.old"
        self._lock = None

    def __enter__(self):
        with explained(self.final):
            self.cache.mkdir(parents=True, exist_ok=True)
            self.final.parent.mkdir(parents=True, exist_ok=True)
            self._lock = open(self.work.with_suffix(".lock"), "w")
            try:
                self._take_over()
            except BaseException:
                self._lock.close()
                raise
        return self

    def _take_over(self):
        """Lock out other runs, and clean up after one that was killed."""
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UserError(
                f"another run is writing to {str(self.final)!r}; "
                "wait for it or give another folder (OUT=... or --out ...)"
            ) from error
        if self.old.exists() and not self.final.exists():
            os.replace(self.old, self.final)  # killed between the two renames of `finish`
        if self.final.exists() and not self.final.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        for leftover in (self.old, self.work):
            shutil.rmtree(leftover, ignore_errors=True)
        for folder in self.cache.iterdir():
            kept = re.fullmatch(r"[0-9a-f]{24}|search-\w+-[0-9a-f]{16}", folder.name)
            with contextlib.suppress(FileNotFoundError):  # another run has just cleaned up
                if kept and time.time() - _last_written(folder) > KEEP_UNFINISHED_SECONDS:
                    shutil.rmtree(folder, ignore_errors=True)
        self.work.mkdir()

    def __exit__(self, *_):
        shutil.rmtree(self.work, ignore_errors=True)
        self._lock.close()

    def store(self, *parts):
        """Return the store of unfinished work that depends on nothing but these texts."""
        digest = hashlib.blake2b("\0".join(parts).encode(), digest_size=12).hexdigest()
        return Store(self.cache / digest)

    def finish(self):
        """Put the collected files in the place of the previous run."""
        with explained(self.final):
            if self.final.exists():
                os.replace(self.final, self.old)
            os.replace(self.work, self.final)
            shutil.rmtree(self.old, ignore_errors=True)


def _last_written(folder):
    """Return when something in a folder was written last, in seconds since the epoch."""
    return max(path.stat().st_mtime for path in (folder, *folder.rglob("*")))
