// Package faultfs simulates a file system whose calls fail and whose power is
// cut, in memory, for tests of what blob/fs and the engine over it promise:
//
//	for n := 1; ; n++ {
//		files := faultfs.New()
//		files.CrashAt(n)
//		// open a store in it, work, and note what was acknowledged
//		if !files.Crashed() {
//			break // all calls of the work have had their turn
//		}
//		files = files.Reboot(seed)
//		// open a store again: is everything acknowledged there?
//	}
//
// It is as unhelpful as POSIX permits. File content is only durable after Sync
// of the file, a name only after SyncDir of its directory, and what was not
// made durable survives in part: some names and not others, some blocks of a
// file and zeros for the rest. A renamed file may come back under its old
// name, its new one or both, never under none. After a failed Sync the next
// succeeds and the bytes are lost all the same, as on Linux.
package faultfs

import (
	"errors"
	"sync"
	"time"

	"github.com/orlop/orlop/internal/blob/fs/fsys"
)

// ErrCrashed is the error of the call that the power is cut at and of every
// call after it.
var ErrCrashed = errors.New("the power is cut")

// FS is a file system in memory. All methods may be called concurrently.
type FS struct {
	mu      sync.Mutex // guards what follows and every node
	root    *node
	changes []*change // of names, not durable yet, in order

	calls   int
	crashAt int
	failAt  map[int]error
	crashed bool
}

var _ fsys.FS = (*FS)(nil)

// node is a file or a directory.
type node struct {
	names   map[string]*node // of a directory, as the processes see it
	durable map[string]*node // of a directory, as on the disk

	content  []byte // of a file, as the processes see it
	synced   []byte // of a file, as on the disk
	lost     bool   // a sync of the file has failed
	modified time.Time
}

func newDir() *node {
	return &node{names: make(map[string]*node), durable: make(map[string]*node), modified: time.Now()}
}

// change of a name in a directory.
type change struct {
	dir     *node
	name    string
	node    *node
	removed bool    // the name goes; else it comes
	after   *change // the other half of a rename, which must be durable first
	done    bool
}

// New makes an empty file system.
func New() *FS { return &FS{root: newDir(), failAt: make(map[int]error)} }

// Calls is the number of calls made so far. Every call of fsys.FS and
// fsys.File counts but Close, Size and Writeback, which never fail before a
// crash.
func (f *FS) Calls() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls
}

// CrashAt cuts the power at the call that Calls will count as n. The call
// itself has no effect, but that a write may be done in part.
func (f *FS) CrashAt(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.crashAt = n
}

// Crash cuts the power now.
func (f *FS) Crash() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.crashed = true
}

// Crashed tells whether the power has been cut.
func (f *FS) Crashed() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.crashed
}

// FailAt makes the call that Calls will count as n fail with an error. It has
// no effect otherwise, but that a write is done in part, and that a failed
// Sync loses what was not durable. It may be called for several n.
func (f *FS) FailAt(n int, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.failAt[n] = err
}

// call counts a call and gives the error it is to fail with. It is called with
// mu held.
func (f *FS) call() error {
	if f.crashed {
		return ErrCrashed
	}
	f.calls++
	if f.calls == f.crashAt {
		f.crashed = true
		return ErrCrashed
	}
	return f.failAt[f.calls]
}
