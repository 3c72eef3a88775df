// Package memory is an orlop.Registry that keeps everything in memory. It is
// for tests and examples: nothing limits what it holds, and a listing costs as
// much as the names that are there.
//
// It follows the rules of a real registry. A repository comes into being with
// the first blob or manifest that is pushed to it; blobs and manifests belong
// to the repository they were pushed to; the blobs of a manifest must be there
// before it, while the manifests of an index may be missing. A blob or manifest
// that others refer to may be deleted.
package memory

import (
	"context"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop"
)

// Registry is a registry in memory. Its methods may be called concurrently.
type Registry struct {
	mu      sync.RWMutex // guards everything below; content of blobs never changes
	repos   map[string]*repository
	uploads map[string]*upload
}

var (
	_ orlop.Registry     = (*Registry)(nil)
	_ orlop.DigestPusher = (*Registry)(nil)
)

type repository struct {
	blobs     map[digest.Digest][]byte
	manifests map[digest.Digest]manifest
	tags      map[string]digest.Digest
}

type manifest struct {
	orlop.Manifest
	subject digest.Digest // "" if none
}

// New returns an empty registry.
func New() *Registry {
	return &Registry{repos: map[string]*repository{}, uploads: map[string]*upload{}}
}

// repo returns a repository that is to be written to. r.mu must be held.
func (r *Registry) repo(name string) *repository {
	repo, ok := r.repos[name]
	if !ok {
		repo = &repository{
			blobs:     map[digest.Digest][]byte{},
			manifests: map[digest.Digest]manifest{},
			tags:      map[string]digest.Digest{},
		}
		r.repos[name] = repo
	}
	return repo
}

// Repositories lists the repositories, in byte order.
func (r *Registry) Repositories(_ context.Context, after string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		r.mu.RLock()
		names := namesAfter(r.repos, after)
		r.mu.RUnlock()
		yieldAll(names, yield)
	}
}

// Tags lists the tags of a repository, in byte order.
func (r *Registry) Tags(_ context.Context, repo, after string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		names, err := r.tagsAfter(repo, after)
		if err != nil {
			yield("", err)
			return
		}
		yieldAll(names, yield)
	}
}

func (r *Registry) tagsAfter(name, after string) ([]string, error) {
	if err := orlop.ValidateRepository(name); err != nil {
		return nil, err
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	repo, ok := r.repos[name]
	if !ok {
		return nil, nameUnknown(name)
	}
	return namesAfter(repo.tags, after), nil
}

// Referrers lists the manifests whose subject is dgst, by digest.
func (r *Registry) Referrers(
	_ context.Context, repo string, dgst digest.Digest, artifactType string,
) iter.Seq2[orlop.Descriptor, error] {
	return func(yield func(orlop.Descriptor, error) bool) {
		descs, err := r.referrers(repo, dgst, artifactType)
		if err != nil {
			yield(orlop.Descriptor{}, err)
			return
		}
		yieldAll(descs, yield)
	}
}

func (r *Registry) referrers(name string, dgst digest.Digest, artifactType string) ([]orlop.Descriptor, error) {
	if err := check(name, dgst); err != nil {
		return nil, err
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	repo, ok := r.repos[name]
	if !ok {
		return nil, nil
	}
	var descs []orlop.Descriptor
	for _, m := range repo.manifests {
		if m.subject == dgst && (artifactType == "" || m.Descriptor.ArtifactType == artifactType) {
			descs = append(descs, cloneDescriptor(m.Descriptor))
		}
	}
	slices.SortFunc(descs, func(a, b orlop.Descriptor) int { return strings.Compare(string(a.Digest), string(b.Digest)) })
	return descs, nil
}

func namesAfter[V any](m map[string]V, after string) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		if name > after {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func yieldAll[T any](all []T, yield func(T, error) bool) {
	for _, v := range all {
		if !yield(v, nil) {
			return
		}
	}
}

// check validates what most methods take.
func check(repo string, dgst digest.Digest) error {
	if err := orlop.ValidateRepository(repo); err != nil {
		return err
	}
	return orlop.ValidateDigest(dgst)
}

func cloneDescriptor(d orlop.Descriptor) orlop.Descriptor {
	d.Annotations = maps.Clone(d.Annotations)
	return d
}

func nameUnknown(name string) error {
	return orlop.ErrNameUnknown.WithDetail(map[string]string{"name": name})
}

func blobUnknown(dgst digest.Digest) error {
	return orlop.ErrBlobUnknown.WithDetail(map[string]digest.Digest{"digest": dgst})
}

func manifestUnknown(reference string) error {
	return orlop.ErrManifestUnknown.WithDetail(map[string]string{"reference": reference})
}
