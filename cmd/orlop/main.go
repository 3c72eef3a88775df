// Command orlop pushes, pulls and manages artifacts in OCI registries.
package main

import (
	"os"
	"runtime/debug"
	"time"

	"github.com/orlop/orlop/internal/cli"
)

const (
	// gcPercent is how much garbage there may be, in percent of what is in use. A
	// client has little of either: half of the usual costs no time that can be
	// measured, and saves memory where buffers are large.
	gcPercent = 50
	// gcDelay is when that begins: short commands end before anything would have
	// to be collected.
	gcDelay = 50 * time.Millisecond
)

func main() {
	if os.Getenv("GOGC") == "" {
		time.AfterFunc(gcDelay, func() { debug.SetGCPercent(gcPercent) })
	}
	os.Exit(cli.Main())
}
