//go:build !linux

package test

import (
	"os"
	"testing"
)

func mountSmall(t *testing.T, _ string) string {
	t.Helper()
	need(t, false, "small file systems are mounted on Linux only")
	return ""
}

// linkCount is how many names a file has, where that can be told.
func linkCount(os.FileInfo) uint64 { return 1 }
