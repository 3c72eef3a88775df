package pgtest

import "syscall"

// dependent is how a process is started that is to end when this one does,
// whatever ends it.
func dependent(cred *syscall.Credential) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: cred, Setpgid: true, Pdeathsig: syscall.SIGQUIT}
}
