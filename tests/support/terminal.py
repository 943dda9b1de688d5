"""A terminal for a program of which a test wants to know what it shows there."""

import fcntl
import os
import pty
import struct
import subprocess
import termios
import unittest


def open_terminal(num_columns=80):
    """(our end, the program's end); the test is skipped where no terminal can be made."""
    try:
        ours, theirs = pty.openpty()
    except OSError as e:
        raise unittest.SkipTest(f"no terminal can be made here: {e}")
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, num_columns, 0, 0))
    return ours, theirs


def run_in_terminal(command, stream, environment, num_columns=80):
    """(exit code, what the terminal got in bytes) of a command whose `stream`, "stdout" or "stderr", is a terminal."""
    ours, theirs = open_terminal(num_columns)
    process = subprocess.Popen(command, env=environment, **{stream: theirs})
    os.close(theirs)
    text = b""
    try:
        while part := os.read(ours, 65536):
            text += part
    except OSError:  # so a terminal ends on Linux
        pass
    os.close(ours)
    return process.wait(), text
