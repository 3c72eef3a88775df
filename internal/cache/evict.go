package cache

import (
	"io/fs"
	"slices"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// scanEvery is the part of the limit by which the cache may grow before it is
// scanned again.
const scanEvery = 20

// grow counts content that was added, and removes other content if there is too
// much: at the first addition of a process, and then as the cache grows.
func (c *Cache) grow(size int64) {
	limit := c.o.MaxSize
	if !c.own || limit <= 0 {
		return
	}
	grown := c.grown.Add(size)
	if c.scanned.Load() && grown < limit/scanEvery || !c.evicting.TryLock() {
		return
	}
	defer c.evicting.Unlock()
	c.grown.Store(0)
	c.scanned.Store(true)
	c.evict(limit)
}

// file is content in the cache.
type file struct {
	name string
	size int64
	used time.Time
}

// evict removes what has not been used for longest until a tenth of the limit
// is free. What is open stays readable, where systems allow it to be removed at
// all. Other processes may do the same at once: they choose the same files.
func (c *Cache) evict(limit int64) {
	files, total := c.files()
	if total <= limit {
		return
	}
	slices.SortFunc(files, func(a, b file) int { return a.used.Compare(b.used) })
	for _, f := range files {
		if total <= limit-limit/10 {
			return
		}
		if c.root.Remove(f.name) == nil {
			total -= f.size
		}
	}
}

// files lists the content. What goes away meanwhile is left out.
func (c *Cache) files() (files []file, total int64) {
	_ = fs.WalkDir(c.root.FS(), ocispec.ImageBlobsDir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return nil
		}
		if info, err := d.Info(); err == nil {
			files = append(files, file{name, info.Size(), info.ModTime()})
			total += info.Size()
		}
		return nil
	})
	return files, total
}
