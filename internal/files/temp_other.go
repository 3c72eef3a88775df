//go:build !unix

package files

import (
	"io/fs"
	"os"
	"time"
)

// mark does nothing: folders cannot be locked here.
func mark(*os.Root, string) (release func(), ok bool) { return func() {}, true }

// removeUnused removes a temporary file or folder if nothing has been written to
// it for so long that no process can be using it.
func removeUnused(root *os.Root, name string, info fs.FileInfo) {
	if time.Since(info.ModTime()) > 24*time.Hour {
		root.RemoveAll(name)
	}
}
