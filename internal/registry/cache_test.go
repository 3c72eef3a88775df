package registry

import (
	"fmt"
	"testing"
)

// TestCacheIsExact reads from the database before, during and after a writer's
// hold: nothing read before its end may be kept.
func TestCacheIsExact(t *testing.T) {
	key := cacheKey{repo: "a", name: "v1"}
	for name, hold := range map[string]func(*cache) func(){
		"one key":  func(c *cache) func() { return c.hold(key) },
		"all keys": func(c *cache) func() { return c.holdAll() },
	} {
		t.Run(name, func(t *testing.T) {
			c := newCache(1 << 20)
			keeps := func(when string, gen uint64, want bool) {
				t.Helper()
				c.store(key, gen, "value", 5)
				if _, _, ok := c.lookup(key); ok != want {
					t.Errorf("%s: kept %v, want %v", when, ok, want)
				}
			}
			gen := func() uint64 { _, g, _ := c.lookup(key); return g }
			keeps("without a writer", gen(), true)
			before := gen()
			first, second := hold(c), hold(c)
			keeps("read before the writers", before, false)
			during := gen()
			keeps("read during both", during, false)
			first()
			keeps("read during both, kept during one", during, false)
			during = gen()
			keeps("read during one", during, false)
			second()
			keeps("read during, kept after", during, false)
			keeps("read after", gen(), true)
		})
	}
}

// TestCacheIsBounded stores more than fits.
func TestCacheIsBounded(t *testing.T) {
	c := newCache(cacheShards * 1000)
	for i := range 1000 {
		key := cacheKey{repo: "a", name: fmt.Sprint(i)}
		_, gen, _ := c.lookup(key)
		c.store(key, gen, i, 100)
	}
	big := cacheKey{repo: "a", name: "big"}
	c.store(big, c.shard(big).gen, nil, 600)
	if _, _, ok := c.lookup(big); ok {
		t.Error("one value took most of a shard")
	}
	entries := 0
	for i := range c.shards {
		s := &c.shards[i]
		entries += len(s.entries)
		if s.size > s.limit || s.recent.Len() != len(s.entries) {
			t.Errorf("shard %d: %d bytes of %d, %d entries, %d in the list", i, s.size, s.limit, len(s.entries), s.recent.Len())
		}
	}
	if entries < cacheShards {
		t.Errorf("only %d entries are kept", entries)
	}
}
