package cli

import (
	"os"
	"runtime/debug"
)

const (
	// garbagePercent is how much garbage there may be, in percent of what is in
	// use. A client has little of either: half of the usual costs no time that can
	// be measured, and saves memory.
	garbagePercent = 50
	// garbageBesideLarge is the same while buffers are large, of which there is
	// little garbage. It is so little because the ballast counts too: to drop that
	// would have it used for buffers, and cleared, which touches all of it.
	garbageBesideLarge = 8
	// ballast is memory, in bytes, that counts as in use but is never touched, so
	// that it is none of the machine's: there may always be as much garbage as
	// goes with it. Short commands end before anything would have to be collected.
	ballast = 16 << 20
)

// garbage decides how much of it there may be in this process. It may be used
// concurrently.
type garbage struct{ ballast []byte }

// newGarbage allows what is good for short commands; nil if the user has decided.
func newGarbage() *garbage {
	if os.Getenv("GOGC") != "" {
		return nil
	}
	g := &garbage{ballast: make([]byte, ballast)}
	debug.SetGCPercent(garbagePercent)
	return g
}

// beLean allows less, for work with large buffers. g may be nil.
func (g *garbage) beLean() {
	if g != nil {
		debug.SetGCPercent(garbageBesideLarge)
	}
}
