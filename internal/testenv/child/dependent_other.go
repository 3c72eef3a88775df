//go:build !linux

package child

import "syscall"

// dependent: elsewhere a process is only started beside this one.
func dependent() *syscall.SysProcAttr { return nil }
