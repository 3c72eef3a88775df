package s3test

import "syscall"

// dependent is how a process is started that is to end when this one does,
// whatever ends it.
func dependent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
