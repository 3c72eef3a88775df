//go:build !linux

package test

import "testing"

func mountSmall(t *testing.T, _ string) string {
	t.Helper()
	need(t, false, "small file systems are mounted on Linux only")
	return ""
}
