package files

import (
	"crypto/rand"
	"errors"

	"io/fs"
	"os"
	"path/filepath"
	"regexp"
)

// tempPattern matches the names that tempName makes.
var tempPattern = regexp.MustCompile(`^\.orlop-[A-Z2-7]{26}\.tmp$`)

// tempName returns a name of our own for a temporary file or folder beside name.
func tempName(name string) string {
	return filepath.Join(filepath.Dir(name), ".orlop-"+rand.Text()+".tmp")
}

// maxTempTries is how often a temporary file may be swept away by another
// process between its making and its marking.
const maxTempTries = 100

// createTemp makes a temporary file beside name. It is marked as in use until
// release is called, after it has been renamed or removed.
func (t *Target) createTemp(root *os.Root, name string, mode fs.FileMode) (f *os.File, temp string, release func(), err error) {
	t.sweep(root, filepath.Dir(name))
	for range maxTempTries {
		temp = tempName(name)
		f, err = root.OpenFile(temp, os.O_RDWR|os.O_CREATE|os.O_EXCL, mode)
		if err != nil {
			return nil, "", nil, err
		}
		if release, ok := mark(root, temp); ok {
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
		if release, ok := mark(root, temp); ok {
			return temp, func() { root.RemoveAll(temp); release() }, nil
		}
	}
	return "", nil, errSwept
}

var errSwept = errors.New("another process removes our temporary files")

// sweep removes what pulls that were killed have left in a folder, once for
// each. What another process uses stays.
func (t *Target) sweep(root *os.Root, dir string) {
	if _, done := t.swept.LoadOrStore(root.Name()+"\x00"+dir, true); done {
		return
	}
	d, err := root.Open(dir)
	if err != nil {
		return
	}
	defer d.Close()
	for {
		names, err := d.Readdirnames(1000)
		for _, name := range names {
			if tempPattern.MatchString(name) {
				removeAbandoned(root, filepath.Join(dir, name))
			}
		}
		if err != nil {
			return
		}
	}
}

func removeAbandoned(root *os.Root, name string) {
	info, err := root.Lstat(name)
	if err != nil || !info.IsDir() && !info.Mode().IsRegular() {
		return
	}
	removeUnused(root, name, info)
}
