// Package child starts processes for tests that end when the test's process
// does, whatever ends that.
package child

import (
	"os/exec"
	"runtime"
)

// Start starts a process. done is closed when it has ended.
func Start(cmd *exec.Cmd) (done <-chan struct{}, err error) {
	cmd.SysProcAttr = dependent()
	started, ended := make(chan error), make(chan struct{})
	go func() {
		// The thread that starts a process must not end before it, or the process
		// takes that for the death of its parent.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait()
			close(ended)
		}
	}()
	return ended, <-started
}
