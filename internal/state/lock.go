package state

import (
	"os"
	"sync"
	"time"

	"github.com/orlop/orlop/internal/filelock"
)

// locks are the locks on entries that this process holds. The system gives them
// back when the process ends, however it ends.
type locks struct {
	folder *folder

	mu   sync.Mutex
	held map[string]*os.File // by name of the entry
}

// claim takes the lock on an entry. It reports whether this process has it.
func (l *locks) claim(name string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held[name] != nil {
		return true
	}
	root, err := l.folder.root()
	if err != nil || !isName(name) {
		return false
	}
	file := lockFile(root, name)
	if file == nil {
		return false
	}
	if l.held == nil {
		l.held = map[string]*os.File{}
	}
	l.held[name] = file
	return true
}

// release gives the lock on an entry back.
func (l *locks) release(name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	file := l.held[name]
	if file == nil {
		return
	}
	delete(l.held, name)
	if root, err := l.folder.root(); err == nil {
		root.Remove(lockName(name)) // while it is held: nobody else can have it
	}
	file.Close()
}

// lockName is the name of an entry's lock, a temporary file for the sweep.
func lockName(name string) string { return tempPrefix + name + ".lock" }

// lockFile returns the file whose lock it has taken, or nil if another process
// has it.
func lockFile(root *os.Root, name string) *os.File {
	file, err := root.OpenFile(lockName(name), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil
	}
	if ok, err := filelock.Try(file); err != nil || !ok || !isStill(root, name, file) {
		file.Close()
		return nil
	}
	root.Chtimes(lockName(name), time.Time{}, time.Now().Add(uploadAge)) // the sweep leaves it as long
	return file
}

// isStill tells whether a file is the lock, and was not removed meanwhile by
// the process that had it before.
func isStill(root *os.Root, name string, file *os.File) bool {
	mine, err := file.Stat()
	if err != nil {
		return false
	}
	there, err := root.Stat(lockName(name))
	return err == nil && os.SameFile(mine, there)
}
