package cli

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/internal/files"
)

// save writes content to the file that the user named. What was there is
// replaced by the complete and verified content, or stays; the rest of a
// download that was cut, also in an earlier run, is fetched alone. A link is
// followed. What is no file, as /dev/null, is written to as it comes.
func save(ctx context.Context, path string, desc orlop.Descriptor, open files.OpenFunc) error {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() && !info.IsDir() {
		return saveStream(ctx, path, open)
	}
	dir, err := openFolder(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close()
	desc.Annotations = nil // or they could have it unpacked
	_, err = dir.Restore(ctx, filepath.Base(path), desc, open)
	return err
}

// openFolder opens a folder that must exist: the user's typing error makes none.
func openFolder(name string) (*files.Target, error) {
	if _, err := os.Stat(name); err != nil {
		return nil, fmt.Errorf("open the folder of the output: %w", err)
	}
	return files.OpenTarget(name, files.TargetOptions{})
}

func saveStream(ctx context.Context, path string, open files.OpenFunc) error {
	r, err := open(ctx, 0)
	if err != nil {
		return err
	}
	defer r.Close()
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	if e := f.Close(); err == nil {
		err = e
	}
	return err
}

// openBytes opens content that is in memory.
func openBytes(raw []byte) files.OpenFunc {
	return func(_ context.Context, off int64) (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(raw[off:])), nil
	}
}
