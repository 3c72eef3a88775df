package state

import (
	"cmp"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	// maxEntry is the largest entry that is read, in bytes.
	maxEntry = 256 << 10
	// maxEntries is how many entries a sweep leaves; those that expire first go.
	maxEntries = 2000
	// tempAge is how old a temporary file is at least that a killed process has
	// left.
	tempAge    = time.Hour
	tempPrefix = ".new-"
)

// folder holds entries by name, as JSON. The time of change of a file is when
// the entry expires, so that a sweep need not read it.
type folder struct {
	path string
	log  *slog.Logger

	root  func() (*os.Root, error) // opens the folder once
	sweep sync.Once
}

func newFolder(path string, log *slog.Logger) *folder {
	f := &folder{path: path, log: log}
	f.root = sync.OnceValues(func() (*os.Root, error) {
		root, err := openOwn(path)
		if err != nil {
			log.Debug("keep nothing between runs", "folder", path, "error", err.Error())
		}
		return root, err
	})
	return f
}

// openOwn opens a folder, made if there is none, that only the user can write.
func openOwn(path string) (*os.Root, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, err
	}
	link, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	dir, err := root.Stat(".")
	if err == nil && !(ours(link) && ours(dir)) {
		err = errors.New("it belongs to another user")
	}
	if err == nil && dir.Mode().Perm()&0o077 != 0 {
		err = root.Chmod(".", 0o700)
	}
	if err != nil {
		root.Close()
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	return root, nil
}

// existing opens the folder if it is there; nil if not, or if it cannot be used.
func (f *folder) existing() *os.Root {
	if _, err := os.Lstat(f.path); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	root, err := f.root()
	if err != nil {
		return nil
	}
	return root
}

// load reads an entry into v, and tells whether there is one that has not
// expired.
func (f *folder) load(name string, v any) bool {
	root := f.existing()
	if root == nil || !isName(name) {
		return false
	}
	file, err := root.Open(name)
	if err != nil {
		return false
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() || !time.Now().Before(info.ModTime()) {
		return false
	}
	raw, err := io.ReadAll(io.LimitReader(file, maxEntry))
	return err == nil && json.Unmarshal(raw, v) == nil
}

// save replaces an entry, and once in a process sweeps the others.
func (f *folder) save(name string, v any, expires time.Time) {
	root, err := f.root()
	if err != nil || !isName(name) {
		return
	}
	if err := replace(root, name, v, expires); err != nil {
		f.log.Debug("not kept for the next run", "folder", f.path, "error", err.Error())
	}
	f.sweep.Do(func() { sweep(root, time.Now()) })
}

func replace(root *os.Root, name string, v any, expires time.Time) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return err
	}
	temp := fmt.Sprintf("%s%s-%d-%d", tempPrefix, name, os.Getpid(), time.Now().UnixNano())
	file, err := root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(raw) // not synced: what a power cut takes is only slower next time
	err = cmp.Or(err, file.Close())
	if err == nil {
		err = root.Chtimes(temp, time.Time{}, expires)
	}
	if err == nil {
		err = root.Rename(temp, name)
	}
	if err != nil {
		root.Remove(temp)
	}
	return err
}

func (f *folder) remove(name string) {
	if root := f.existing(); root != nil && isName(name) {
		root.Remove(name)
	}
}

// names lists the entries.
func (f *folder) names() []string {
	root := f.existing()
	if root == nil {
		return nil
	}
	var names []string
	for _, info := range list(root) {
		if isName(info.Name()) {
			names = append(names, info.Name())
		}
	}
	return names
}

// sweep removes what has expired, what killed processes have left, and what is
// too much.
func sweep(root *os.Root, now time.Time) {
	var kept []fs.FileInfo
	for _, info := range list(root) {
		temp := strings.HasPrefix(info.Name(), tempPrefix)
		switch {
		case temp && now.Sub(info.ModTime()) > tempAge, isName(info.Name()) && !now.Before(info.ModTime()):
			root.Remove(info.Name())
		case !temp:
			kept = append(kept, info)
		}
	}
	slices.SortFunc(kept, func(a, b fs.FileInfo) int { return a.ModTime().Compare(b.ModTime()) })
	for _, info := range kept[:max(len(kept)-maxEntries, 0)] {
		root.Remove(info.Name())
	}
}

// list returns the files of a folder; one that vanishes meanwhile is left out.
func list(root *os.Root) []fs.FileInfo {
	entries, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return nil
	}
	var infos []fs.FileInfo
	for _, e := range entries {
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() {
			infos = append(infos, info)
		}
	}
	return infos
}

// isName tells whether a name is that of an entry: 64 hexadecimal digits.
func isName(name string) bool {
	_, err := hex.DecodeString(name)
	return err == nil && len(name) == 64
}
