//go:build !unix

package files

import (
	"errors"
	"io/fs"
	"os"
	"time"
)

// lock does nothing: folders cannot be locked here, so no partial file lasts.
func lock(*os.File, bool) (release func(), err error) { return nil, errors.ErrUnsupported }

// removeUnused removes a temporary file or folder if nothing has been written to
// it for so long that no process can be using it.
func removeUnused(root *os.Root, name string, info fs.FileInfo) {
	if time.Since(info.ModTime()) > abandoned {
		root.RemoveAll(name)
	}
}

func isOurs(info fs.FileInfo) bool { return info.Mode().IsRegular() }
