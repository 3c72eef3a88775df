//go:build unix && !linux

package s3test

import "syscall"

// dependent is how a process is started beside this one.
func dependent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
