package cli

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/opencontainers/go-digest"
	"github.com/spf13/pflag"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/internal/cache"
	"github.com/orlop/orlop/internal/cli/output"
)

// cacheOptions choose where content is kept that is read from registries.
type cacheOptions struct {
	dir, size string

	flags *pflag.FlagSet // to tell --cache "" from nothing
}

const defaultCacheSize = 10 << 30 // bytes

func (o *cacheOptions) addFlags(fs *pflag.FlagSet) {
	o.flags = fs
	fs.StringVar(&o.dir, "cache", "", "keep what is read in `DIR`, and read it from there (default $ORAS_CACHE)")
	fs.StringVar(&o.size, "cache-size", "", "size of the cache in `BYTES`, or as 500MiB; 0: no limit (default $ORLOP_CACHE_SIZE, or 10GiB)")
}

func (o *cacheOptions) validate() error {
	_, err := parseCacheSize(o.size)
	return err
}

// wrap makes reads of t go through the cache, if one is wanted: manifests by
// digest and blobs. A cache that cannot be used is reported, and no failure. A
// layout needs none.
func (o *cacheOptions) wrap(env *Env, t *target) error {
	dir := o.directory(env)
	if dir == "" || t.kind != kindRegistry {
		return nil
	}
	size := o.size
	if size == "" {
		size = env.Getenv("ORLOP_CACHE_SIZE")
	}
	limit, err := parseCacheSize(size)
	if err != nil {
		return &usageError{err: err}
	}
	warnings := output.NewPrinter(env.Stderr)
	c, err := cache.Open(dir, cache.Options{
		MaxSize: limit,
		Warn:    func(err error) { warnings.Line("WARNING: cache %s: %v", dir, err) },
	})
	if err != nil {
		warnings.Line("WARNING: %v; going on without it", err)
		return nil
	}
	if size != "" && limit > 0 && !c.Limited() {
		warnings.Line("WARNING: cache %s: it has no size limit, for it was not made by orlop", dir)
	}
	t.Registry = &cachedRegistry{Registry: t.Registry, reader: c.Reader(t.Registry)}
	return nil
}

// directory is where the cache is, "" if there is to be none.
func (o *cacheOptions) directory(env *Env) string {
	if o.flags.Changed("cache") {
		return o.dir
	}
	return env.Getenv("ORAS_CACHE")
}

// parseCacheSize parses a number of bytes, which may have a unit of 1024.
func parseCacheSize(s string) (int64, error) {
	if s == "" {
		return defaultCacheSize, nil
	}
	number, unit := s, int64(1)
	for i, name := range []string{"KiB", "MiB", "GiB", "TiB"} {
		if n, ok := strings.CutSuffix(s, name); ok {
			number, unit = n, 1<<(10*(i+1))
		}
	}
	n, err := strconv.ParseInt(strings.TrimSpace(number), 10, 64)
	if err != nil || n < 0 || n > math.MaxInt64/unit {
		return 0, fmt.Errorf("invalid size of the cache %q: want a number of bytes, or one such as 500MiB or 10GiB", s)
	}
	return n * unit, nil
}

// cachedRegistry is a registry that is read through a cache.
type cachedRegistry struct {
	orlop.Registry
	reader orlop.Reader
}

// Resolve implements orlop.Reader.
func (r *cachedRegistry) Resolve(ctx context.Context, repo, reference string) (orlop.Descriptor, error) {
	return r.reader.Resolve(ctx, repo, reference)
}

// Manifest implements orlop.Reader.
func (r *cachedRegistry) Manifest(ctx context.Context, repo, reference string) (orlop.Manifest, error) {
	return r.reader.Manifest(ctx, repo, reference)
}

// StatBlob implements orlop.Reader.
func (r *cachedRegistry) StatBlob(ctx context.Context, repo string, dgst digest.Digest) (orlop.Descriptor, error) {
	return r.reader.StatBlob(ctx, repo, dgst)
}

// ReadBlob implements orlop.SmallReader.
func (r *cachedRegistry) ReadBlob(ctx context.Context, repo string, desc orlop.Descriptor) ([]byte, error) {
	return orlop.ReadSmall(ctx, r.reader, repo, desc)
}

// OpenBlob implements orlop.Reader.
func (r *cachedRegistry) OpenBlob(ctx context.Context, repo string, dgst digest.Digest, off, n int64) (orlop.BlobReader, error) {
	return r.reader.OpenBlob(ctx, repo, dgst, off, n)
}
