//go:build !darwin && !dragonfly && !freebsd && !linux && !netbsd && !openbsd && !windows

package layout

import (
	"errors"
	"io"
	"io/fs"
	"os"
)

// tryLock creates a file that must not exist, or returns nil if it does. A
// process that is killed leaves it, and it must be removed by hand.
func (d *dir) tryLock(name string) (io.Closer, error) {
	f, err := d.root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &created{f, d.root, name}, nil
}

type created struct {
	*os.File
	root *os.Root
	name string
}

func (c *created) Close() error { return errors.Join(c.File.Close(), c.root.Remove(c.name)) }

// isFull would tell whether an error says that there is no space.
func isFull(error) bool { return false }
