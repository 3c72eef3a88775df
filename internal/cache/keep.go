package cache

import (
	"errors"
	"io/fs"
	"path"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop"
)

// maxQueued is how many buffers wait for the disk, for each blob.
const maxQueued = 16

// keeper writes content to the cache in a goroutine of its own, so that whoever
// reads the content need not wait. It is given up if the disk cannot follow.
type keeper struct {
	c        *Cache
	dgst     digest.Digest
	patience time.Duration // that is left

	buf      *[bufferSize]byte // being filled
	n        int               // bytes in buf
	pieces   chan piece
	done     chan struct{}
	complete bool // set before pieces is closed
}

type piece struct {
	buf *[bufferSize]byte
	n   int
}

// newKeeper begins to keep content of a size; nil if it is not to be kept. The
// caller ends it with finish.
func (c *Cache) newKeeper(dgst digest.Digest, size int64) *keeper {
	if c.broken.Load() || size < 0 || c.own && c.o.MaxSize > 0 && size > c.o.MaxSize {
		return nil
	}
	c.sweep.Do(c.sweepTemps)
	k := &keeper{
		c: c, dgst: dgst, patience: c.patience,
		pieces: make(chan piece, maxQueued), done: make(chan struct{}),
	}
	go k.run(size)
	return k
}

// write appends to the content. false: it is not kept, and nothing more is to
// be written.
func (k *keeper) write(p []byte) bool {
	for len(p) > 0 {
		if k.buf == nil {
			k.buf, k.n = buffers.Get().(*[bufferSize]byte), 0
		}
		n := copy(k.buf[k.n:], p)
		k.n += n
		p = p[n:]
		if k.n == len(k.buf) && !k.send() {
			return false
		}
	}
	return true
}

// send passes the buffer on to be written, and waits while it has patience.
func (k *keeper) send() bool {
	next := piece{k.buf, k.n}
	k.buf = nil
	select {
	case k.pieces <- next:
		return true
	default:
	}
	sent := k.wait(func(timeout <-chan time.Time) bool {
		select {
		case k.pieces <- next:
			return true
		case <-timeout:
			return false
		}
	})
	if !sent {
		buffers.Put(next.buf)
	}
	return sent
}

// wait waits for as long as there is patience.
func (k *keeper) wait(until func(timeout <-chan time.Time) bool) bool {
	start := time.Now()
	timer := time.NewTimer(k.patience)
	defer timer.Stop()
	ok := until(timer.C)
	k.patience -= time.Since(start)
	return ok
}

// finish ends the content. Unless it is complete, and right, nothing is kept.
func (k *keeper) finish(complete bool) {
	if k.buf != nil {
		complete = complete && k.send()
	}
	k.complete = complete
	close(k.pieces)
	k.wait(func(timeout <-chan time.Time) bool {
		select {
		case <-k.done:
			return true
		case <-timeout:
			return false
		}
	})
}

// run writes what is sent to it. After a failure it goes on taking, so that the
// reader is not held up.
func (k *keeper) run(size int64) {
	defer close(k.done)
	f, temp, err := createTemp(k.c.root)
	for p := range k.pieces {
		if err == nil {
			_, err = f.Write(p.buf[:p.n])
		}
		buffers.Put(p.buf)
	}
	if f == nil {
		k.c.fail(err)
		return
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil && k.complete {
		err = k.c.place(temp, blobName(k.dgst))
	}
	if err != nil || !k.complete {
		k.c.root.Remove(temp)
	}
	if err != nil {
		k.c.fail(err)
	} else if k.complete {
		k.c.grow(size)
	}
}

// place gives complete content its name. That of another process, or damaged
// content, is replaced.
func (c *Cache) place(temp, name string) error {
	err := c.root.Rename(temp, name)
	if errors.Is(err, fs.ErrNotExist) {
		if err := c.root.MkdirAll(path.Dir(name), 0o777); err != nil {
			return err
		}
		err = c.root.Rename(temp, name)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil // another process has swept the temporary file away
	}
	return err
}

// keep puts content that has been verified into the cache.
func (c *Cache) keep(dgst digest.Digest, raw []byte) {
	if k := c.newKeeper(dgst, int64(len(raw))); k != nil {
		k.finish(k.write(raw))
	}
}

// tee returns a reader of a whole blob that also writes it to the cache.
func (c *Cache) tee(b orlop.BlobReader) orlop.BlobReader {
	desc := b.Descriptor()
	k := c.newKeeper(desc.Digest, desc.Size)
	if k == nil {
		return b
	}
	return &tee{BlobReader: b, k: k, left: desc.Size}
}

type tee struct {
	orlop.BlobReader
	k    *keeper // nil when it is over
	left int64   // bytes that have not been read
}

// Read implements io.Reader. The reader below verifies the blob, and gives out
// the last bytes only if it is right.
func (t *tee) Read(p []byte) (int, error) {
	n, err := t.BlobReader.Read(p)
	t.left -= int64(n)
	if t.k != nil && !t.k.write(p[:n]) {
		t.end(false)
	}
	return n, err
}

// Close implements io.Closer.
func (t *tee) Close() error {
	t.end(t.left == 0)
	return t.BlobReader.Close()
}

func (t *tee) end(complete bool) {
	if t.k != nil {
		t.k.finish(complete)
		t.k = nil
	}
}
