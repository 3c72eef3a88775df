package server

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

const lockFile = "lock"

// errDataInUse: another server has the data directory.
var errDataInUse = errors.New("another orlopd uses this data directory")

// dataDir is the data directory, held by this process alone.
type dataDir struct {
	path string
	lock *os.File
}

// openDataDir makes the directory if need be, readable by the owner only, and
// locks it. A directory that was there keeps its mode: it may be shared. The
// lock ends with the process, however that ends.
func openDataDir(path string) (*dataDir, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	if err := os.MkdirAll(abs, 0o700); err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(abs, lockFile), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	if err := lock(f); err != nil {
		f.Close()
		return nil, fmt.Errorf("data directory %s: %w", abs, err)
	}
	return &dataDir{path: abs, lock: f}, nil
}

// join returns a path in the directory.
func (d *dataDir) join(name string) string { return filepath.Join(d.path, name) }

// writable tells whether files can be made in the directory.
func (d *dataDir) writable() error {
	f, err := os.CreateTemp(d.path, ".ready-*")
	if err != nil {
		return err
	}
	_, err = f.Write([]byte{1}) // a full disk takes the name and refuses the byte
	return errors.Join(err, f.Close(), os.Remove(f.Name()))
}

func (d *dataDir) close() error { return d.lock.Close() }
