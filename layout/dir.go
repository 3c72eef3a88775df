package layout

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/orlop/orlop"
)

const (
	ingestDir = "ingest" // files that are being written; others use the same
	lockFile  = "index.json.lock"
	// layoutFile is the content of the file oci-layout.
	layoutFile = `{"imageLayoutVersion":"` + ocispec.ImageLayoutVersion + `"}`
	// staleAfter is how old a file in ingest is that nobody writes any more.
	staleAfter = 7 * 24 * time.Hour
)

// dir is the directory of a layout. Names that lead out of it are refused by
// os.Root, through symbolic links too.
type dir struct {
	path  string
	root  *os.Root
	mutex chan struct{} // held with the lock file; a channel, so that waiting can end

	ingest sync.Once

	mu   sync.Mutex
	late map[string]bool // directories that commit will sync; nil: none, they are synced at once
}

func openDir(name string) (*dir, error) {
	root, err := os.OpenRoot(name)
	if err != nil {
		return nil, err
	}
	return &dir{path: name, root: root, mutex: make(chan struct{}, 1)}, nil
}

func (d *dir) Close() error { return d.root.Close() }

// create writes the files of an empty layout that are missing.
func (d *dir) create() error {
	unlock, err := d.lock(context.Background())
	if err != nil {
		return err
	}
	defer unlock()
	index, err := marshalIndex(emptyIndex())
	if err != nil {
		return err
	}
	for _, f := range []struct {
		name    string
		content []byte
	}{
		{ocispec.ImageIndexFile, index}, {ocispec.ImageLayoutFile, []byte(layoutFile)},
	} {
		if _, err := d.stat(f.name); !errors.Is(err, fs.ErrNotExist) {
			if err != nil {
				return err
			}
			continue
		}
		if err := d.write(f.name, f.content); err != nil {
			return err
		}
	}
	return nil
}

// temp begins a file in the directory ingest.
func (d *dir) temp(name string) (*os.File, error) {
	d.ingest.Do(d.sweep)
	f, err := d.root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o644)
	if errors.Is(err, fs.ErrNotExist) {
		if err := d.root.MkdirAll(ingestDir, 0o777); err != nil {
			return nil, err
		}
		f, err = d.root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o644)
	}
	return f, full(err)
}

// sweep removes what writers left that were killed long ago.
func (d *dir) sweep() {
	entries, err := fs.ReadDir(d.root.FS(), ingestDir)
	if err != nil {
		return // the directory is not there, or writing to it will tell
	}
	for _, entry := range entries {
		info, err := entry.Info()
		if err == nil && info.Mode().IsRegular() && time.Since(info.ModTime()) > staleAfter {
			d.root.Remove(ingestDir + "/" + entry.Name())
		}
	}
}

// tempName is a name that no other file in ingest has.
func tempName() string { return ingestDir + "/" + strings.ToLower(rand.Text()) + ".tmp" }

// write replaces a file: it has the old content or the new one, whatever
// happens.
func (d *dir) write(name string, content []byte) error {
	temp := tempName()
	f, err := d.temp(temp)
	if err != nil {
		return err
	}
	if _, err := f.Write(content); err != nil {
		return d.drop(f, temp, full(err))
	}
	return d.place(f, temp, name)
}

// place makes a file that was written the file name, durably.
func (d *dir) place(f *os.File, temp, name string) error {
	if err := f.Sync(); err != nil {
		return d.drop(f, temp, full(err))
	}
	if err := f.Close(); err != nil {
		d.root.Remove(temp)
		return full(err)
	}
	parent := path.Dir(name)
	err := d.root.Rename(temp, name)
	if errors.Is(err, fs.ErrNotExist) {
		if err = d.root.MkdirAll(parent, 0o777); err == nil {
			err = d.syncParents(parent)
		}
		if err == nil {
			err = d.root.Rename(temp, name)
		}
	}
	if err != nil {
		d.root.Remove(temp)
		return full(err)
	}
	return d.settle(parent)
}

// settle makes the names in a directory durable, or leaves that to commit.
func (d *dir) settle(name string) error {
	d.mu.Lock()
	if d.late != nil && name != "." {
		d.late[name] = true
		d.mu.Unlock()
		return nil
	}
	d.mu.Unlock()
	return d.syncDir(name)
}

// batch leaves the syncing of directories to commit.
func (d *dir) batch() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.late == nil {
		d.late = map[string]bool{}
	}
}

// settleAll syncs what settle left.
func (d *dir) settleAll() error {
	d.mu.Lock()
	late := slices.Collect(maps.Keys(d.late))
	clear(d.late)
	d.mu.Unlock()
	for _, name := range late {
		if err := d.syncDir(name); err != nil {
			return err
		}
	}
	return nil
}

// drop ends a file that will not be needed.
func (d *dir) drop(f *os.File, temp string, err error) error {
	f.Close()
	d.root.Remove(temp)
	return err
}

// syncParents makes new directories durable in those above them.
func (d *dir) syncParents(name string) error {
	for name != "." {
		name = path.Dir(name)
		if err := d.syncDir(name); err != nil {
			return err
		}
	}
	return nil
}

// syncDir makes the names in a directory durable, where systems can.
func (d *dir) syncDir(name string) error {
	if runtime.GOOS == "windows" || runtime.GOOS == "plan9" {
		return nil
	}
	f, err := d.root.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// full names the lack of space.
func full(err error) error {
	if isFull(err) && !errors.Is(err, orlop.ErrStorageFull) {
		return fmt.Errorf("%w: %w", orlop.ErrStorageFull, err)
	}
	return err
}

// lock waits until this process alone changes index.json.
func (d *dir) lock(ctx context.Context) (unlock func(), err error) {
	select {
	case d.mutex <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	l, err := d.lockFile(ctx)
	if err != nil {
		<-d.mutex
		return nil, fmt.Errorf("lock layout: %w", err)
	}
	return func() { l.Close(); <-d.mutex }, nil
}

// lockFile waits for other processes. They hold the lock for as long as
// index.json takes to write.
func (d *dir) lockFile(ctx context.Context) (io.Closer, error) {
	wait := time.Millisecond
	for {
		l, err := d.tryLock(lockFile)
		if err != nil || l != nil {
			return l, err
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
			wait = min(2*wait, 50*time.Millisecond)
		case <-ctx.Done():
			timer.Stop()
			return nil, ctx.Err()
		}
	}
}
