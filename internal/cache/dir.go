package cache

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/orlop/orlop/layout"
)

const (
	// tagName is the file that marks a directory as a cache, for backup programs
	// and for us.
	tagName   = "CACHEDIR.TAG"
	signature = "Signature: 8a477f597d28d172789f06886806bc55"
	tagText   = signature + `
# This directory is a cache, made by orlop: it may be removed at any time.
# Where this file is, orlop keeps the size of the directory below its limit.
`

	ingestDir = "ingest" // files that are being written; layouts use the same
	// Temporary files have names of our own.
	tempPrefix, tempSuffix = ".orlop-", ".tmp"
	// staleAfter is how long nobody has written to a temporary file that is left
	// over. To remove one that is still in use would only lose a cache entry.
	staleAfter = time.Hour
)

// prepare makes dir a layout if it is empty or not there, and tells whether it
// is marked as a cache. Several processes may do this at once.
func prepare(dir string) (own bool, err error) {
	_, err = os.Stat(filepath.Join(dir, ocispec.ImageLayoutFile))
	own = isTagged(dir) // looked for second, for it is written first
	if !errors.Is(err, fs.ErrNotExist) {
		return own, err
	}
	if !own {
		if err := mark(dir); err != nil {
			return false, err
		}
	}
	l, err := layout.Create(dir)
	if err != nil {
		return false, err
	}
	return true, l.Close()
}

// mark puts the tag into a new directory. All of it is there at once, so that
// another process never takes the directory for one that is not new.
func mark(dir string) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	if err := checkNew(dir); err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	f, temp, err := createTemp(root)
	if err != nil {
		return err
	}
	_, err = f.WriteString(tagText)
	if err = errors.Join(err, f.Close()); err == nil {
		err = root.Rename(temp, tagName)
	}
	if err != nil {
		root.Remove(temp)
	}
	return err
}

// checkNew demands a directory with nothing in it but what other processes have
// that are marking it too.
func checkNew(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	other := func(e fs.DirEntry) bool { return e.Name() != ingestDir }
	if slices.ContainsFunc(entries, other) && !isTagged(dir) {
		return fmt.Errorf("%s is not empty and no OCI image layout", dir)
	}
	return nil
}

func isTagged(dir string) bool {
	f, err := os.Open(filepath.Join(dir, tagName))
	if err != nil {
		return false
	}
	defer f.Close()
	head := make([]byte, len(signature))
	n, _ := f.Read(head)
	return string(head[:n]) == signature
}

// createTemp makes a file in the directory ingest. Content is never written
// again, and the others who share the cache may read it.
func createTemp(root *os.Root) (f *os.File, name string, err error) {
	name = ingestDir + "/" + tempPrefix + strings.ToLower(rand.Text()) + tempSuffix
	f, err = root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o444)
	if errors.Is(err, fs.ErrNotExist) {
		if err := root.MkdirAll(ingestDir, 0o777); err != nil {
			return nil, "", err
		}
		f, err = root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o444)
	}
	return f, name, err
}

// sweepTemps removes what writers left that were killed.
func (c *Cache) sweepTemps() {
	entries, err := fs.ReadDir(c.root.FS(), ingestDir)
	if err != nil {
		return // it is not there, or writing to it will tell
	}
	for _, e := range entries {
		ours := strings.HasPrefix(e.Name(), tempPrefix) && strings.HasSuffix(e.Name(), tempSuffix)
		if info, err := e.Info(); err == nil && ours && time.Since(info.ModTime()) > staleAfter {
			c.root.Remove(ingestDir + "/" + e.Name())
		}
	}
}
