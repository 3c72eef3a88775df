// Package cache keeps content that was read from registries in a directory, by
// digest, so that it is fetched once. Many processes may share the directory.
//
// The directory is an OCI image layout: one that ORAS has filled is of use, and
// ORAS can read what is here. Content that is named by no index is as good as
// any other, so that index.json is never touched once it is there.
//
// A cache may lose content, and must never serve damage. Content gets its name
// when it is complete; it is not made durable, as every hit is verified anyway.
// What is not right is fetched again and replaced. Nothing that goes wrong here
// makes a read fail: it is reported once, and the registry is asked.
//
// A directory that was empty, and so is the cache's own, is marked by a
// CACHEDIR.TAG (bford.info/cachedir) and kept below a size. Where there is no
// such tag the content may be someone's only copy, and nothing is ever removed.
package cache

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Options are the options of Open. The zero value is good.
type Options struct {
	// MaxSize is how many bytes of content the directory may hold, about; then
	// what has not been used for longest is removed. 0: no limit. It holds only
	// in a directory that is marked as a cache.
	MaxSize int64
	// Warn is told, once, that content cannot be kept. nil: nobody is. It may be
	// called from any goroutine.
	Warn func(error)
}

// Cache is a directory of content. It may be used concurrently.
type Cache struct {
	root     *os.Root
	o        Options
	own      bool          // the directory is marked as a cache: content may be removed
	patience time.Duration // how long writing a blob may hold up reading it, in all

	warnOnce sync.Once
	broken   atomic.Bool // writing has failed: nothing more is kept
	sweep    sync.Once

	evicting sync.Mutex
	scanned  atomic.Bool
	grown    atomic.Int64 // bytes that were added since the directory was last scanned
}

// usualPatience lets a disk catch up and does not wait for one that hangs.
const usualPatience = 5 * time.Second

// Open opens the cache in the directory dir, made if there is none. A directory
// that holds other things than a layout is an error. One that cannot be written
// to is none: what is there is of use.
func Open(dir string, o Options) (*Cache, error) {
	own, err := prepare(dir)
	if err != nil {
		return nil, fmt.Errorf("open cache: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("open cache: %w", err)
	}
	return &Cache{root: root, o: o, own: own, patience: usualPatience}, nil
}

// Limited tells whether Options.MaxSize holds: whether the directory is marked
// as a cache.
func (c *Cache) Limited() bool { return c.own }

// Close releases the directory. What is open of the cache must be closed before.
func (c *Cache) Close() error { return c.root.Close() }

// fail ends all writing: a disk that is full, or a directory that is not ours,
// stays so for as long as a command runs.
func (c *Cache) fail(err error) {
	c.broken.Store(true)
	c.warnOnce.Do(func() {
		if c.o.Warn != nil {
			c.o.Warn(fmt.Errorf("content is not kept: %w", withoutPath(err)))
		}
	})
}

// withoutPath drops the path of an error, which is that of a temporary file.
func withoutPath(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	if e, ok := errors.AsType[*os.LinkError](err); ok {
		return e.Err
	}
	return err
}

// blobName is where content lies. dgst must be valid.
func blobName(dgst digest.Digest) string {
	return ocispec.ImageBlobsDir + "/" + string(dgst.Algorithm()) + "/" + dgst.Encoded()
}
