package credential

import (
	"io/fs"
	"os"
)

// keepOwner does nothing: a new file has the owner of its folder's choice.
func keepOwner(*os.File, fs.FileInfo) {}
