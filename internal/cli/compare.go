package cli

import (
	"cmp"
	"maps"
	"slices"

	"github.com/opencontainers/go-digest"
)

// difference is what differs between two artifacts, the result of diff as JSON.
type difference struct {
	Same         bool               `json:"same"` // to the byte
	From         comparedSide       `json:"from"`
	To           comparedSide       `json:"to"`
	ArtifactType *change[string]    `json:"artifactType,omitempty"` // none if it is the same
	Config       *change[blobEntry] `json:"config,omitempty"`       // none if it is the same
	Annotations  changes[textEntry] `json:"annotations"`
	Files        changes[blobEntry] `json:"files"`
	Layers       changes[blobEntry] `json:"layers"` // those without a name
	Shared       amount             `json:"shared"` // blobs that both have
	New          amount             `json:"new"`    // blobs that only the second has
	Gone         amount             `json:"gone"`   // blobs that only the first has
}

type comparedSide struct {
	Reference string `json:"reference"`
	descriptor
}

// amount counts blobs, each once.
type amount struct {
	Blobs int   `json:"blobs"`
	Bytes int64 `json:"bytes"`
}

// changes tells entries of two sets apart, sorted by name.
type changes[T any] struct {
	Added   []T         `json:"added"`
	Removed []T         `json:"removed"`
	Changed []change[T] `json:"changed"`
}

type change[T any] struct {
	From T `json:"from"`
	To   T `json:"to"`
}

type textEntry struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

type blobEntry struct {
	Name     string `json:"name,omitempty"`
	Platform string `json:"platform,omitempty"` // in an index
	descriptor
}

func compare(from, to *collector) difference {
	d := difference{
		From: side(from), To: side(to),
		Annotations: changed(annotationEntries(from), annotationEntries(to)),
		Files:       changed(fileEntries(from), fileEntries(to)),
		Layers:      changed(layerEntries(from), layerEntries(to)),
	}
	d.Same = d.From.Digest == d.To.Digest
	if a, b := from.root.ArtifactType, to.root.ArtifactType; a != b {
		d.ArtifactType = &change[string]{a, b}
	}
	if a, b := configEntry(from), configEntry(to); !a.same(b) {
		d.Config = &change[blobEntry]{a, b}
	}
	d.count(blobsOf(from), blobsOf(to))
	return d
}

func side(c *collector) comparedSide {
	root := c.artifact()
	return comparedSide{c.from.digested(root.Digest), describe(root)}
}

// count compares the blobs by digest.
func (d *difference) count(from, to map[digest.Digest]int64) {
	for dgst, size := range from {
		if _, both := to[dgst]; both {
			d.Shared.add(size)
		} else {
			d.Gone.add(size)
		}
	}
	for dgst, size := range to {
		if _, both := from[dgst]; !both {
			d.New.add(size)
		}
	}
}

func (a *amount) add(size int64) { a.Blobs, a.Bytes = a.Blobs+1, a.Bytes+size }

func blobsOf(c *collector) map[digest.Digest]int64 {
	blobs := map[digest.Digest]int64{}
	for _, part := range c.parts {
		blobs[part.desc.Digest] = part.desc.Size
	}
	return blobs
}

// entryKey is by what entries of two artifacts are taken for the same thing.
type entryKey struct{ name, platform string }

func (e textEntry) key() entryKey { return entryKey{name: e.Name} }
func (e blobEntry) key() entryKey { return entryKey{e.Name, e.Platform} }

func (e textEntry) same(other textEntry) bool { return e == other }

func (e blobEntry) same(other blobEntry) bool {
	return e.Digest == other.Digest && e.MediaType == other.MediaType && maps.Equal(e.Annotations, other.Annotations)
}

type entry[T any] interface {
	key() entryKey
	same(other T) bool
}

// changed compares two sets of entries by their keys.
func changed[T entry[T]](from, to map[entryKey]T) changes[T] {
	c := changes[T]{Added: []T{}, Removed: []T{}, Changed: []change[T]{}}
	for _, key := range sortedKeys(from, to) {
		a, before := from[key]
		b, after := to[key]
		switch {
		case !before:
			c.Added = append(c.Added, b)
		case !after:
			c.Removed = append(c.Removed, a)
		case !a.same(b):
			c.Changed = append(c.Changed, change[T]{a, b})
		}
	}
	return c
}

func sortedKeys[T any](sets ...map[entryKey]T) []entryKey {
	var keys []entryKey
	for _, set := range sets {
		keys = slices.AppendSeq(keys, maps.Keys(set))
	}
	slices.SortFunc(keys, func(a, b entryKey) int {
		return cmp.Or(cmp.Compare(a.name, b.name), cmp.Compare(a.platform, b.platform))
	})
	return slices.Compact(keys)
}

func annotationEntries(c *collector) map[entryKey]textEntry {
	entries := map[entryKey]textEntry{}
	for name, value := range c.root.Annotations {
		e := textEntry{name, value}
		entries[e.key()] = e
	}
	return entries
}

func fileEntries(c *collector) map[entryKey]blobEntry {
	entries := map[entryKey]blobEntry{}
	for _, part := range c.parts {
		if titleOf(part.desc) != "" {
			e := part.entry()
			entries[e.key()] = e
		}
	}
	return entries
}

// layerEntries are the layers without a name, which are compared by digest.
func layerEntries(c *collector) map[entryKey]blobEntry {
	entries := map[entryKey]blobEntry{}
	for _, part := range c.parts {
		if e := part.entry(); e.Name == "" && part.isFile() {
			entries[entryKey{e.Digest, e.Platform}] = e
		}
	}
	return entries
}

// configEntry is the configuration of the artifact itself; that of an index has
// none.
func configEntry(c *collector) blobEntry {
	if c.root.Config == nil {
		return blobEntry{}
	}
	return blobEntry{descriptor: describe(*c.root.Config)}
}

func (p *part) entry() blobEntry {
	e := blobEntry{Name: titleOf(p.desc), descriptor: describe(p.desc)}
	if p.platform != nil {
		e.Platform = platformText(p.platform)
	}
	return e
}
