package credential

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// maxFileSize bounds the configuration file in bytes; real ones have a few KiB.
const maxFileSize = 16 << 20

// file is one configuration file by its path as given.
type file string

// isNull tells whether the file is the null device: nothing to read and
// nowhere to write. NUL is its name on Windows.
func (f file) isNull() bool {
	switch strings.ToUpper(string(f)) {
	case "/DEV/NULL", "NUL", "NUL:":
		return true
	}
	return false
}

// read returns the content; a missing or empty file is an empty object.
func (f file) read() (object, error) {
	var o object
	if f.isNull() {
		return nil, nil
	}
	raw, err := readAll(string(f))
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(raw) == 0 {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the configuration file: %w", err)
	}
	if err := json.Unmarshal(raw, &o); err != nil {
		return nil, fmt.Errorf("the configuration file %s is not valid: %w", f, err)
	}
	return o, nil
}

func readAll(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxFileSize {
		return nil, fmt.Errorf("%s is not a configuration file", path)
	}
	raw, err := os.ReadFile(path)
	raw = bytes.TrimPrefix(raw, []byte("\ufeff")) // some editors on Windows put it there
	return bytes.TrimSpace(raw), err
}

// update changes the file under its lock. change works on what is in the file
// at that moment, and tells whether there is something to write.
func (f file) update(ctx context.Context, change func(*object) (bool, error)) error {
	if f.isNull() {
		return fmt.Errorf("credentials cannot be stored in %s; name another configuration file", f)
	}
	path, err := followLinks(string(f))
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	unlock, err := lock(ctx, path+".lock")
	if err != nil {
		return fmt.Errorf("lock the configuration file %s: %w", f, err)
	}
	defer unlock()
	o, err := file(path).read()
	if err != nil {
		return err
	}
	if changed, err := change(&o); err != nil || !changed {
		return err
	}
	if err := replace(path, o); err != nil {
		return fmt.Errorf("write the configuration file: %w", err)
	}
	return nil
}

// followLinks returns the file that path leads to, so that a symbolic link
// stays one and every path to the file has the same lock. The file may be
// missing.
func followLinks(path string) (string, error) {
	for range 40 {
		target, err := os.Readlink(path)
		if err != nil {
			return path, nil // no link, or nothing there
		}
		if !filepath.IsAbs(target) {
			dir, _ := filepath.Split(path) // not cleaned: dir may be a link itself
			target = dir + target
		}
		path = target
	}
	return "", fmt.Errorf("%s: too many symbolic links", path)
}

// replace writes the file beside its place and renames it, so that a crash at
// any moment leaves the old file or the new one. The caller holds the lock:
// a temporary file that exists is what a crash has left.
func replace(path string, o object) error {
	raw, err := encode(o)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := json.Indent(&b, raw, "", "\t"); err != nil {
		return err
	}
	b.WriteByte('\n')
	temp := path + ".orlop-tmp"
	if err := os.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := writeNew(temp, path, b.Bytes()); err != nil {
		os.Remove(temp)
		return err
	}
	if err := os.Rename(temp, path); err != nil {
		os.Remove(temp)
		return err
	}
	syncDir(filepath.Dir(path))
	return nil
}

// writeNew writes a new file that only the owner of old, if that exists, or
// else of this process, can read.
func writeNew(path, old string, data []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if info, err := os.Stat(old); err == nil {
		keepOwner(f, info)
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// syncDir makes a rename durable where the system can do that. Without it a
// power cut brings back the old file.
func syncDir(dir string) {
	if runtime.GOOS == "windows" {
		return
	}
	if d, err := os.Open(dir); err == nil {
		d.Sync()
		d.Close()
	}
}
