package faultfs

import (
	"bytes"
	"maps"
	"math/rand/v2"
	"slices"
)

// The seeds of Reboot that leave nothing to chance.
const (
	KeepNothing = 0 // nothing survives that was not made durable
	KeepAll     = 1 // everything survives, as after kill -9
)

// Reboot cuts the power, if it has not been, and gives the file system that is
// found afterwards. The seed chooses what survives of that which was not made
// durable: nothing with KeepNothing, all with KeepAll, some with any other.
func (f *FS) Reboot(seed int64) *FS {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.crashed = true
	chance := &chance{seed: seed, rand: rand.New(rand.NewPCG(uint64(seed), 0))}
	for _, c := range f.changes {
		if chance.keep() {
			c.apply()
		}
	}
	f.changes = nil
	after := New()
	after.root = chance.copyNode(f.root, make(map[*node]*node))
	return after
}

type chance struct {
	seed int64
	rand *rand.Rand
}

func (c *chance) keep() bool {
	switch c.seed {
	case KeepNothing:
		return false
	case KeepAll:
		return true
	}
	return c.rand.IntN(2) == 0
}

// copyNode copies what is on the disk. A file that has two names stays one.
func (c *chance) copyNode(n *node, copies map[*node]*node) *node {
	if made := copies[n]; made != nil {
		return made
	}
	made := &node{modified: n.modified}
	copies[n] = made
	if n.names == nil {
		made.content = c.content(n)
		made.synced = bytes.Clone(made.content)
		return made
	}
	made.names, made.durable = make(map[string]*node), make(map[string]*node)
	for _, name := range slices.Sorted(maps.Keys(n.durable)) {
		child := c.copyNode(n.durable[name], copies)
		made.names[name], made.durable[name] = child, child
	}
	return made
}

// block is what a disk writes at once.
const block = 512

// content is what is left of a file: a size between the old one and the new,
// and of each block the old content, or zeros, or the new.
func (c *chance) content(n *node) []byte {
	if c.keep() && c.seed != KeepAll || c.seed == KeepNothing {
		return bytes.Clone(n.synced)
	}
	size := len(n.content)
	if c.seed != KeepAll {
		low, high := min(size, len(n.synced)), max(size, len(n.synced))
		size = low + c.rand.IntN(high-low+1)
	}
	left := make([]byte, size)
	copy(left, n.synced)
	for start := 0; start < size; start += block {
		if end := min(start+block, size); c.keep() && start < len(n.content) {
			copy(left[start:end], n.content[start:])
		}
	}
	return left
}
