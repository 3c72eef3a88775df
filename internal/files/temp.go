package files

import (
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"time"
)

// tempPattern matches the names that tempName makes.
var tempPattern = regexp.MustCompile(`^\.orlop-[A-Z2-7]{26}\.tmp$`)

// tempName returns a name of our own for a temporary file or folder beside name.
func tempName(name string) string {
	return filepath.Join(filepath.Dir(name), ".orlop-"+rand.Text()+".tmp")
}

// maxTempTries is how often a temporary file may be swept away by another
// process between its making and its locking.
const maxTempTries = 100

// errInUse reports a file that another process has locked.
var errInUse = errors.New("it is in use")

var errSwept = errors.New("another process removes our temporary files")

// createTemp makes a temporary file beside name. It is locked until release is
// called, after it has been renamed or removed.
func createTemp(root *os.Root, name string, mode fs.FileMode) (f *os.File, temp string, release func(), err error) {
	for range maxTempTries {
		temp = tempName(name)
		f, err = root.OpenFile(temp, os.O_RDWR|os.O_CREATE|os.O_EXCL, mode)
		if err != nil {
			return nil, "", nil, err
		}
		if release, ok := mark(root, temp, f); ok {
			return f, temp, release, nil
		}
		f.Close()
	}
	return nil, "", nil, errSwept
}

// makeTempDir makes a temporary folder beside name. remove removes it.
func (t *Target) makeTempDir(root *os.Root, name string) (temp string, remove func(), err error) {
	t.sweep(root, filepath.Dir(name))
	for range maxTempTries {
		temp = tempName(name)
		if err := root.Mkdir(temp, 0o777); err != nil {
			return "", nil, err
		}
		f, err := root.Open(temp)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return "", nil, err
		}
		release, ok := mark(root, temp, f)
		f.Close()
		if ok {
			return temp, func() { root.RemoveAll(temp); release() }, nil
		}
	}
	return "", nil, errSwept
}

// mark marks a temporary file or folder, open as f, as in use. ok is false if
// another process has swept it away before that. Where there are no locks there
// are no marks, and no process sweeps.
func mark(root *os.Root, name string, f *os.File) (release func(), ok bool) {
	release, err := lock(f, true)
	if err != nil {
		release = func() {}
	}
	if _, err := root.Lstat(name); err != nil {
		release()
		return nil, false
	}
	return release, true
}

// abandoned is how old what an earlier run has left must be to be removed
// though a later run could go on with it.
const abandoned = 24 * time.Hour

// sweep removes what pulls that were killed have left in a folder, once for
// each. What another process uses stays, and so do partial files that are young.
func (t *Target) sweep(root *os.Root, dir string) {
	if _, done := t.swept.LoadOrStore(root.Name()+"\x00"+dir, sweptFolder{root, dir}); !done {
		sweepFolder(root, dir, func(name string, info fs.FileInfo) bool {
			return tempPattern.MatchString(name) || partialPattern.MatchString(name) && time.Since(info.ModTime()) > abandoned
		})
	}
}

// sweepParts removes all partial files that no process is using from the
// folders that were written to, but those outside of the target.
func (t *Target) sweepParts() {
	t.swept.Range(func(_, value any) bool {
		if f := value.(sweptFolder); f.root == t.root {
			sweepFolder(f.root, f.dir, func(name string, _ fs.FileInfo) bool { return partialPattern.MatchString(name) })
		}
		return true
	})
}

// sweptFolder is a folder that has been swept.
type sweptFolder struct {
	root *os.Root
	dir  string
}

// sweepFolder removes the temporary files and folders that are old, as far as no
// process is using them.
func sweepFolder(root *os.Root, dir string, old func(name string, info fs.FileInfo) bool) {
	d, err := root.Open(dir)
	if err != nil {
		return
	}
	defer d.Close()
	for {
		names, err := d.Readdirnames(1000)
		for _, base := range names {
			if tempPattern.MatchString(base) || partialPattern.MatchString(base) {
				name := filepath.Join(dir, base)
				info, err := root.Lstat(name)
				if err == nil && (info.IsDir() || info.Mode().IsRegular()) && old(base, info) {
					removeUnused(root, name, info)
				}
			}
		}
		if err != nil {
			return
		}
	}
}
