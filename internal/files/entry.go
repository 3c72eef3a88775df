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

// clear makes room for an entry that is no directory and returns its name for
// the system. A later entry replaces an earlier one, but never a directory.
func (x *extractor) clear(name string) (string, error) {
	if err := x.mkdirs(path.Dir(name)); err != nil {
		return "", err
	}
	local := filepath.FromSlash(name)
	info, err := x.root.Lstat(local)
	if errors.Is(err, fs.ErrNotExist) {
		return local, nil
	}
	if err == nil && info.IsDir() {
		err = errors.New("it would replace a directory")
	}
	if err != nil {
		return "", err
	}
	return local, x.root.Remove(local)
}

func (x *extractor) file(ctx context.Context, name string, h *tar.Header, content io.Reader) error {
	local, err := x.clear(name)
	if err != nil {
		return err
	}
	mode := h.FileInfo().Mode().Perm()
	f, err := x.root.OpenFile(local, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	// The holes of a sparse file are not in the tar, so they are counted here.
	n, err := copyBuffer(ctx, f, &limitReader{content, x.left})
	x.left -= n
	if err == nil && x.options.PreserveModes {
		err = f.Chmod(mode)
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err != nil {
		return err
	}
	x.root.Chtimes(local, h.ModTime, h.ModTime) // as far as the file system can
	return nil
}

func (x *extractor) symlink(name, target string) error {
	if !x.options.AllowPathTraversal {
		if err := checkLink(name, target, x.windows); err != nil {
			return err
		}
	}
	local, err := x.clear(name)
	if err != nil {
		return err
	}
	return x.root.Symlink(filepath.FromSlash(target), local)
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
	oldLocal := filepath.FromSlash(old)
	info, err := x.root.Lstat(oldLocal)
	if err != nil || !info.Mode().IsRegular() {
		return errors.New("its target is not a file of the archive")
	}
	if old == name {
		return nil
	}
	local, err := x.clear(name)
	if err != nil {
		return err
	}
	return x.root.Link(oldLocal, local)
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
