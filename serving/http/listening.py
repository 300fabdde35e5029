"""Listening TCP sockets: the check before they are opened, and a close without resets.

The kernel completes handshakes on its own as long as any process holds the listening socket. When
the last process closes it, the kernel resets all connections that are not accepted. So handshakes
are stopped first: a packet filter on the socket drops every SYN. Clients that had begun finish
their handshake and are accepted. The others repeat their SYN after a second and are refused,
because by then the socket is closed.
"""

from __future__ import annotations

import ctypes
import errno
import socket
import struct

SO_ATTACH_FILTER = 26
"""Option of Linux, see socket(7); the module `socket` has no name for it."""
LAST_ACCEPT_SECONDS = 0.5
"""Time for handshakes that have begun: several round trips."""

_TCP_FLAGS = 13
_SYN, _SYN_ACK = 0x02, 0x12
_INSTRUCTIONS = (
    (0x30, 0, 0, _TCP_FLAGS),  # load that byte of the TCP header
    (0x54, 0, 0, _SYN_ACK),  # keep these two flags
    (0x15, 0, 1, _SYN),  # SYN without ACK begins a connection:
    (0x06, 0, 0, 0),  # drop it
    (0x06, 0, 0, 0xFFFFFFFF),  # accept everything else
)
"""Classic BPF, see Documentation/networking/filter.rst of Linux."""


def refuse_handshakes(listener: socket.socket) -> bool:
    """Have the kernel drop new connection attempts, in all processes that hold the socket.

    Returns
    -------
    bool
        Whether the kernel has such a filter; other kernels than Linux, such as gVisor, do not. Then
        a client that connects in the moment before the socket is closed may be reset.
    """
    if listener.family not in (socket.AF_INET, socket.AF_INET6):
        return False
    program = b"".join(struct.pack("HBBI", *each) for each in _INSTRUCTIONS)
    buffer = ctypes.create_string_buffer(program)
    described = struct.pack("HL", len(_INSTRUCTIONS), ctypes.addressof(buffer))
    try:
        listener.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, described)
    except OSError:
        return False
    return True


def check_free(host: str, port: int) -> None:
    """Exit with one line if the service cannot listen on an address."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise SystemExit(cannot_listen(host, port, error)) from None


def cannot_listen(host: str, port: int, error: OSError) -> str:
    """Return one line with the reason why the service cannot listen on an address."""
    reason = {
        errno.EADDRINUSE: "another process listens there",
        errno.EACCES: "this user may not open that port",
    }.get(error.errno or 0, str(error))
    return f"cannot listen on {host}:{port}: {reason}"
