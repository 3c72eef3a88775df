//go:build unix && !linux

package pgtest

import "syscall"

// dependent is how a process is started beside this one.
func dependent(cred *syscall.Credential) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: cred, Setpgid: true}
}
