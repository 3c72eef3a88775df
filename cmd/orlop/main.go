// Command orlop pushes, pulls and manages artifacts in OCI registries.
package main

import (
	"os"
	"runtime"
	"runtime/debug"

	"github.com/orlop/orlop/internal/cli"
)

const (
	// gcPercent is how much garbage there may be, in percent of what is in use. A
	// client has little of either: half of the usual costs no time that can be
	// measured, and saves memory where buffers are large.
	gcPercent = 50
	// ballast is memory, in bytes, that counts as in use but is never touched, so
	// that it is none of the machine's: there may always be gcPercent of it in
	// garbage. Short commands end before anything would have to be collected.
	ballast = 16 << 20
)

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	weight := make([]byte, ballast)
	code := cli.Main()
	runtime.KeepAlive(weight)
	os.Exit(code)
}
