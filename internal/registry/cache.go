package registry

import (
	"container/list"
	"hash/maphash"
	"sync"
)

// cacheKey names a tag, a manifest or a blob of a repository. Tags hold no
// colon and digests do, manifests and blobs are kept apart by kind.
type cacheKey struct {
	registry int64
	kind     byte
	repo     string
	name     string
}

// Kinds of cached values.
const (
	cachedTag byte = iota
	cachedManifest
	cachedBlob
)

func (k cacheKey) of(kind byte) cacheKey { k.kind = kind; return k }

// cacheShards is how many parts the cache has, each with a lock of its own.
const cacheShards = 32

// cache keeps what is read often, within a bound of bytes. It is exact: what it
// returns is what the database would.
//
// A writer holds the keys that it is about to change until its commit is
// answered. Meanwhile they are read from the database, which shows the commit
// to all readers at once, and nothing read before it can enter the cache after.
type cache struct {
	seed   maphash.Seed
	shards [cacheShards]cacheShard
}

type cacheShard struct {
	mu      sync.Mutex
	entries map[cacheKey]*list.Element // of *cacheEntry
	recent  *list.List                 // most recently used first
	held    map[cacheKey]int           // writers under way
	heldAll int                        // writers that change any key
	gen     uint64                     // grows with every hold and release
	size    int64
	limit   int64
}

type cacheEntry struct {
	key   cacheKey
	value any
	size  int64
}

func newCache(limit int64) *cache {
	c := &cache{seed: maphash.MakeSeed()}
	for i := range c.shards {
		c.shards[i] = cacheShard{entries: map[cacheKey]*list.Element{}, recent: list.New(), held: map[cacheKey]int{}, limit: limit / cacheShards}
	}
	return c
}

func (c *cache) shard(k cacheKey) *cacheShard {
	return &c.shards[maphash.Comparable(c.seed, k)%cacheShards]
}

// lookup returns a cached value, or ok false and the generation to store with.
func (c *cache) lookup(k cacheKey) (value any, gen uint64, ok bool) {
	s := c.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ok := s.entries[k]
	if !ok {
		return nil, s.gen, false
	}
	s.recent.MoveToFront(e)
	return e.Value.(*cacheEntry).value, s.gen, true
}

// store keeps a value that was read from the database after lookup gave gen,
// unless a writer has come between. size is its memory in bytes.
func (c *cache) store(k cacheKey, gen uint64, value any, size int64) {
	size += int64(len(k.repo)+len(k.name)) + 200
	s := c.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gen != gen || s.heldAll > 0 || s.held[k] > 0 || size > s.limit/2 {
		return
	}
	if _, ok := s.entries[k]; ok {
		return
	}
	s.entries[k] = s.recent.PushFront(&cacheEntry{key: k, value: value, size: size})
	s.size += size
	for s.size > s.limit {
		s.drop(s.recent.Back())
	}
}

func (s *cacheShard) drop(e *list.Element) {
	entry := s.recent.Remove(e).(*cacheEntry)
	delete(s.entries, entry.key)
	s.size -= entry.size
}

// hold keeps keys out of the cache until release is called.
func (c *cache) hold(keys ...cacheKey) (release func()) {
	for _, k := range keys {
		s := c.shard(k)
		s.mu.Lock()
		s.gen++
		s.held[k]++
		if e, ok := s.entries[k]; ok {
			s.drop(e)
		}
		s.mu.Unlock()
	}
	return func() {
		for _, k := range keys {
			s := c.shard(k)
			s.mu.Lock()
			s.gen++
			if s.held[k]--; s.held[k] == 0 {
				delete(s.held, k)
			}
			s.mu.Unlock()
		}
	}
}

// holdAll empties the cache and keeps it empty until release is called.
func (c *cache) holdAll() (release func()) {
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		s.gen++
		s.heldAll++
		clear(s.entries)
		s.recent.Init()
		s.size = 0
		s.mu.Unlock()
	}
	return func() {
		for i := range c.shards {
			s := &c.shards[i]
			s.mu.Lock()
			s.gen++
			s.heldAll--
			s.mu.Unlock()
		}
	}
}
