package remote

import "syscall"

const errRefused = syscall.Errno(10061) // WSAECONNREFUSED, which package syscall does not name
