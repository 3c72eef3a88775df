package files

import (
	"archive/tar"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// dirEntry is a directory of the archive; its mode and time are set last, for
// what is written into it changes the one and may be forbidden by the other.
type dirEntry struct {
	named bool // it has an entry of its own
	mode  fs.FileMode
	time  time.Time
}

// entry unpacks one entry. Devices, pipes and the like are left out, as are the
// bits that lend rights.
func (x *extractor) entry(ctx context.Context, h *tar.Header, content io.Reader) error {
	name, err := x.relative(h.Name)
	if err != nil {
		return err
	}
	switch h.Typeflag {
	case tar.TypeDir:
		return x.dir(name, h)
	case tar.TypeReg, tar.TypeGNUSparse:
		return x.file(ctx, name, h, content)
	case tar.TypeSymlink:
		return x.symlink(name, h.Linkname)
	case tar.TypeLink:
		return x.link(name, h.Linkname)
	case tar.TypeChar, tar.TypeBlock, tar.TypeFifo:
		return nil
	}
	return errors.New("its type is not supported")
}

func (x *extractor) dir(name string, h *tar.Header) error {
	if err := x.mkdirs(name); err != nil {
		return err
	}
	*x.dirs[name] = dirEntry{named: true, mode: h.FileInfo().Mode().Perm(), time: h.ModTime}
	return nil
}

// mkdirs makes a directory and those above it. No link is followed: each must
// be a directory that this archive has made.
func (x *extractor) mkdirs(name string) error {
	if x.dirs[name] != nil {
		return nil
	}
	if err := x.mkdirs(path.Dir(name)); err != nil {
		return err
	}
	if err := x.root.Mkdir(filepath.FromSlash(name), 0o777); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return errors.New("a part of its name is not a directory")
		}
		return err
	}
	x.dirs[name] = &dirEntry{}
	return nil
}

// enter makes the directory above an entry, if need be, and opens it: entries
// of the same directory follow each other.
func (x *extractor) enter(name string) (dir *folder, base string, err error) {
	parent, base := path.Split(name)
	parent = path.Clean(parent)
	if x.current != nil && x.currentName == parent {
		return x.current, base, nil
	}
	x.leave()
	if err := x.mkdirs(parent); err != nil {
		return nil, "", err
	}
	root, err := x.root.OpenRoot(filepath.FromSlash(parent))
	if err != nil {
		return nil, "", err
	}
	x.current, x.currentName = &folder{root: root}, parent
	x.current.users.Add(1)
	return x.current, base, nil
}

// leave gives back the directory that was entered.
func (x *extractor) leave() {
	if x.current != nil {
		x.current.release()
		x.current = nil
	}
}

func (x *extractor) symlink(name, target string) error {
	if !x.options.AllowPathTraversal {
		if err := checkLink(name, target, x.windows); err != nil {
			return err
		}
	}
	dir, base, err := x.enter(name)
	if err != nil {
		return err
	}
	if err := x.writing.settle(name); err != nil {
		return err
	}
	return replacing(dir.root, base, func() error { return dir.root.Symlink(filepath.FromSlash(target), base) })
}

// link makes a hard link to a file of this archive. Its target is a name of
// the archive, as that of an entry.
func (x *extractor) link(name, target string) error {
	old, err := x.relative(target)
	if err != nil {
		return errors.New("its target lies outside of the archive")
	}
	if x.dirs[path.Dir(old)] == nil {
		return errors.New("its target is not in the archive")
	}
	if err := x.writing.settleAll(); err != nil {
		return err
	}
	oldLocal, local := filepath.FromSlash(old), filepath.FromSlash(name)
	info, err := x.root.Lstat(oldLocal)
	if err != nil || !info.Mode().IsRegular() {
		return errors.New("its target is not a file of the archive")
	}
	if old == name {
		return nil
	}
	if err := x.mkdirs(path.Dir(name)); err != nil {
		return err
	}
	return replacing(x.root, local, func() error { return x.root.Link(oldLocal, local) })
}

// finish gives the directories that are now at p their modes and times, the
// deepest first; not those that existed before. It does what the file system
// can.
func (x *extractor) finish(p place, existed map[string]bool) {
	names := make([]string, 0, len(x.dirs))
	for name := range x.dirs {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int { return strings.Compare(b, a) })
	for _, name := range names {
		local := filepath.Join(p.name, filepath.FromSlash(name))
		if d := x.dirs[name]; d.named && !existed[local] {
			x.finishDir(p.root, local, d)
		}
	}
}

func (x *extractor) finishDir(root *os.Root, local string, d *dirEntry) {
	info, err := root.Lstat(local)
	if err != nil || !info.IsDir() {
		return
	}
	mode := d.mode
	if !x.options.PreserveModes {
		mode &= info.Mode().Perm() // the umask has been at work
	}
	root.Chmod(local, mode)
	root.Chtimes(local, d.time, d.time)
}
