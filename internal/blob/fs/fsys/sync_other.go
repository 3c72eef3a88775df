//go:build !linux

package fsys

import "os"

func syncData(f *os.File) error { return f.Sync() }

func writeback(*os.File, int64, int64) {}

func direct(_ *os.File, on bool) bool { return !on }
