package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/internal/meta"
	"github.com/orlop/orlop/internal/meta/sqlmeta"
)

// Resolve returns the descriptor of a manifest by tag or digest.
func (r *Registry) Resolve(ctx context.Context, repo, reference string) (orlop.Descriptor, error) {
	m, err := r.Manifest(ctx, repo, reference)
	return m.Descriptor, err
}

// Manifest returns a manifest by tag or digest, checked against its digest when
// it was read from the store.
func (r *Registry) Manifest(ctx context.Context, repo, reference string) (orlop.Manifest, error) {
	m, err := r.manifest(ctx, repo, reference)
	if err != nil {
		return orlop.Manifest{}, err
	}
	return m.Manifest, nil
}

// manifestValue is a manifest as it is cached.
type manifestValue struct {
	orlop.Manifest
	safe time.Time // see meta.Blob
}

func (r *Registry) manifest(ctx context.Context, repo, reference string) (*manifestValue, error) {
	if orlop.IsDigest(reference) {
		m, err := r.manifestByDigest(ctx, repo, digest.Digest(reference))
		if err == nil {
			err = r.keepManifest(ctx, repo, m)
		}
		return m, err
	}
	for tries := 0; ; tries++ {
		dgst, m, err := r.tagged(ctx, repo, reference)
		if m != nil || err != nil {
			return m, err
		}
		// What a tag names is there. If it is not, the tag has moved since and what
		// it named was deleted: ask again.
		m, err = r.manifestByDigest(ctx, repo, dgst)
		if !errors.Is(err, orlop.ErrManifestUnknown) || tries == maxTagReads {
			return m, err
		}
	}
}

// maxTagReads bounds how often a tag is read again that moves at each time.
const maxTagReads = 10

// tagged returns the digest that a tag names, or the manifest as well, where the
// database had to be asked.
func (r *Registry) tagged(ctx context.Context, repo, tag string) (digest.Digest, *manifestValue, error) {
	key := r.key(repo, tag).of(cachedTag)
	v, gen, ok := r.cache.lookup(key)
	if ok {
		return v.(digest.Digest), nil, nil
	}
	if err := checkName(repo); err != nil {
		return "", nil, err
	}
	if err := checkTag(tag); err != nil {
		return "", nil, err
	}
	stored, err := r.db.TaggedManifest(ctx, r.id, repo, tag)
	if errors.Is(err, sqlmeta.ErrNotFound) {
		return "", nil, r.absentIn(ctx, repo, orlop.ErrManifestUnknown.With(fmt.Sprintf("manifest tagged by %q is not found", tag)).
			WithDetail(map[string]string{"name": repo, "tag": tag}))
	}
	if err != nil {
		return "", nil, translate(err, nil)
	}
	d := stored.Descriptor.Digest
	m, err := r.checked(repo, stored)
	if err == nil {
		r.cache.store(key, gen, d, int64(len(d)))
	}
	return d, m, err
}

// checked is a manifest as it was stored, if its bytes match its digest.
func (r *Registry) checked(repo string, stored meta.Manifest) (*manifestValue, error) {
	d := stored.Descriptor.Digest
	if d.Algorithm().FromBytes(stored.Raw) != d {
		r.opts.Log.Error("damaged manifest", "digest", d, "repository", repo)
		return nil, fmt.Errorf("manifest %s: %w", d, orlop.ErrDamaged)
	}
	return &manifestValue{orlop.Manifest{Descriptor: stored.Descriptor, Raw: stored.Raw}, stored.Safe}, nil
}

func (r *Registry) manifestByDigest(ctx context.Context, repo string, d digest.Digest) (*manifestValue, error) {
	key := r.key(repo, string(d)).of(cachedManifest)
	v, gen, ok := r.cache.lookup(key)
	if ok {
		return v.(*manifestValue), nil
	}
	if err := checkBoth(repo, d); err != nil {
		return nil, err
	}
	stored, err := r.db.Manifest(ctx, r.id, repo, d)
	if errors.Is(err, sqlmeta.ErrNotFound) {
		return nil, r.absentIn(ctx, repo, orlop.ErrManifestUnknown.WithDetail(map[string]string{"name": repo, "digest": string(d)}))
	}
	if err != nil {
		return nil, translate(err, nil)
	}
	m, err := r.checked(repo, stored)
	if err == nil {
		r.cache.store(key, gen, m, int64(len(m.Raw)))
	}
	return m, err
}

// PutManifest is a manifest to be stored.
type PutManifest struct {
	MediaType string // may be "" if the manifest says it
	Raw       []byte
	Digest    digest.Digest // that the content must have; "" to take its SHA-256
	Tags      []string      // to name it
	// If tells whether to go on, from what the first of the tags names at that
	// moment, "" if nothing. A nil one always goes on.
	If func(current digest.Digest) bool
}

// Stored is a manifest that was stored.
type Stored struct {
	Descriptor orlop.Descriptor
	Subject    digest.Digest // "" if it has none
}

// PushManifest stores a manifest and its tags; see orlop.Writer.
func (r *Registry) PushManifest(ctx context.Context, repo, mediaType string, raw []byte, tags ...string) (orlop.Descriptor, error) {
	s, err := r.PutManifest(ctx, repo, PutManifest{MediaType: mediaType, Raw: raw, Tags: tags})
	return s.Descriptor, err
}

// PushManifestDigest stores a manifest under a digest that may be SHA-512; see
// orlop.DigestPusher.
func (r *Registry) PushManifestDigest(
	ctx context.Context, repo, mediaType string, dgst digest.Digest, raw []byte, tags ...string,
) (orlop.Descriptor, error) {
	s, err := r.PutManifest(ctx, repo, PutManifest{MediaType: mediaType, Raw: raw, Digest: dgst, Tags: tags})
	return s.Descriptor, err
}

// PutManifest stores a manifest and makes the tags name it, all or none, in one
// transaction. ErrPreconditionFailed if p.If says no.
func (r *Registry) PutManifest(ctx context.Context, repo string, p PutManifest) (Stored, error) {
	if err := checkName(repo); err != nil {
		return Stored{}, err
	}
	for _, tag := range p.Tags {
		if err := checkTag(tag); err != nil {
			return Stored{}, err
		}
	}
	m, err := r.parse(ctx, repo, p)
	if err != nil {
		return Stored{}, err
	}
	keys := []cacheKey{r.key(repo, string(m.Descriptor.Digest)).of(cachedManifest)}
	for _, tag := range p.Tags {
		keys = append(keys, r.key(repo, tag).of(cachedTag))
	}
	release := r.cache.hold(keys...)
	defer release()
	if err := r.putManifest(ctx, repo, m, p); err != nil {
		return Stored{}, refused(err)
	}
	return Stored{Descriptor: m.Descriptor, Subject: m.Subject}, nil
}

func (r *Registry) putManifest(ctx context.Context, repo string, m meta.Manifest, p PutManifest) error {
	if p.If == nil {
		return r.db.PutManifest(ctx, r.id, repo, m, p.Tags, r.actor.Name)
	}
	return r.db.Update(ctx, func(tx *sqlmeta.Tx) error {
		if err := r.met(tx, repo, p); err != nil {
			return err
		}
		return tx.PutManifest(r.id, repo, m, p.Tags, r.actor.Name)
	})
}

// met checks the condition of a manifest to be stored.
func (r *Registry) met(tx *sqlmeta.Tx, repo string, p PutManifest) error {
	if len(p.Tags) == 0 {
		return nil
	}
	current, err := tx.Tag(r.id, repo, p.Tags[0])
	if err == nil && !p.If(current) {
		err = orlop.ErrPreconditionFailed
	}
	return err
}

// refused turns what PutManifest of the store objects to into the
// specification's errors.
func refused(err error) error {
	if e, ok := errors.AsType[*sqlmeta.MissingError](err); ok {
		return orlop.ErrManifestBlobUnknown.With(e.Error()).WithDetail(map[string]string{"digest": string(e.Digest)})
	}
	if e, ok := errors.AsType[*sqlmeta.SizeError](err); ok {
		return orlop.ErrManifestInvalid.With(e.Error())
	}
	if errors.Is(err, sqlmeta.ErrText) {
		return orlop.ErrManifestInvalid.With("a text in it, such as its artifact type, is too long or holds a NUL")
	}
	return translate(err, nil)
}

// parse reads a manifest into what the store keeps of it.
func (r *Registry) parse(ctx context.Context, repo string, p PutManifest) (meta.Manifest, error) {
	info, err := orlop.ParseManifest(p.MediaType, p.Raw)
	if err != nil {
		return meta.Manifest{}, err
	}
	dgst, err := manifestDigest(p)
	if err != nil {
		return meta.Manifest{}, err
	}
	m := meta.Manifest{
		Descriptor: ocispec.Descriptor{
			MediaType: info.MediaType, Digest: dgst, Size: int64(len(p.Raw)),
			ArtifactType: info.ArtifactType, Annotations: info.Annotations,
		},
		Raw:       p.Raw,
		Sparse:    r.opts.Sparse,
		ImageSize: int64(len(p.Raw)),
	}
	if info.Subject != nil {
		m.Subject = info.Subject.Digest
	}
	if err := addBlobs(&m, info); err != nil {
		return meta.Manifest{}, err
	}
	for _, child := range info.Children {
		m.ImageSize = addSize(m.ImageSize, child.Size)
		if !slices.Contains(m.Children, child.Digest) {
			m.Children = append(m.Children, child.Digest)
		}
	}
	if info.Config != nil {
		m.ConfigType = info.Config.MediaType
		m.Architecture, m.OS = r.platform(ctx, repo, *info.Config)
	}
	return m, nil
}

// manifestDigest is the digest under which a manifest is stored.
func manifestDigest(p PutManifest) (digest.Digest, error) {
	if p.Digest == "" {
		return digest.FromBytes(p.Raw), nil
	}
	if err := checkDigest(p.Digest); err != nil {
		return "", err
	}
	if p.Digest.Algorithm().FromBytes(p.Raw) != p.Digest {
		return "", orlop.ErrDigestInvalid.With("the manifest does not match its digest").
			WithDetail(map[string]string{"digest": string(p.Digest)})
	}
	return p.Digest, nil
}

// addBlobs lists the configuration and the layers, each digest once and with
// one size. Foreign layers lie elsewhere.
func addBlobs(m *meta.Manifest, info orlop.ManifestInfo) error {
	sizes := map[digest.Digest]int64{}
	add := func(d orlop.Descriptor) error {
		m.ImageSize = addSize(m.ImageSize, d.Size)
		size, seen := sizes[d.Digest]
		if seen && size != d.Size {
			return orlop.ErrManifestInvalid.With(fmt.Sprintf("blob %s is given two sizes", d.Digest))
		}
		if !seen {
			sizes[d.Digest] = d.Size
			m.Blobs = append(m.Blobs, d)
		}
		return nil
	}
	if info.Config != nil {
		if err := add(*info.Config); err != nil {
			return err
		}
	}
	for _, layer := range info.Layers {
		if orlop.IsForeign(layer.MediaType) {
			continue
		}
		if err := add(layer); err != nil {
			return err
		}
	}
	return nil
}

// addSize adds sizes that a manifest claims, which may be anything that is not
// negative.
func addSize(a, b int64) int64 {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

// maxConfig is the largest image configuration, in bytes, that is looked into.
const maxConfig = 1 << 20

// platform reads architecture and operating system from the configuration of a
// container image; "" for other artifacts.
func (r *Registry) platform(ctx context.Context, repo string, config orlop.Descriptor) (architecture, os string) {
	if config.MediaType != ocispec.MediaTypeImageConfig && config.MediaType != "application/vnd.docker.container.image.v1+json" ||
		config.Size > maxConfig {
		return "", ""
	}
	raw, err := r.readBlob(ctx, repo, config.Digest, maxConfig)
	if err != nil {
		return "", "" // the store will say what is missing
	}
	var image struct {
		Architecture string `json:"architecture"`
		OS           string `json:"os"`
	}
	if json.Unmarshal(raw, &image) != nil {
		return "", ""
	}
	return image.Architecture, image.OS
}

// DeleteManifest removes a manifest and all tags that name it.
func (r *Registry) DeleteManifest(ctx context.Context, repo string, d digest.Digest) error {
	if err := checkBoth(repo, d); err != nil {
		return err
	}
	releases := []func(){r.cache.hold(r.key(repo, string(d)).of(cachedManifest))}
	defer func() {
		for _, release := range releases {
			release()
		}
	}()
	err := r.db.Update(ctx, func(tx *sqlmeta.Tx) error {
		tags, err := tx.DeleteManifest(r.id, repo, d, r.actor.Name)
		keys := make([]cacheKey, len(tags))
		for i, tag := range tags {
			keys[i] = r.key(repo, tag).of(cachedTag)
		}
		releases = append(releases, r.cache.hold(keys...)) // before the commit
		return err
	})
	if errors.Is(err, sqlmeta.ErrNotFound) {
		return r.absentIn(ctx, repo, orlop.ErrManifestUnknown.WithDetail(map[string]string{"name": repo, "digest": string(d)}))
	}
	return translate(err, nil)
}

// DeleteTag removes a tag and leaves its manifest.
func (r *Registry) DeleteTag(ctx context.Context, repo, tag string) error {
	if err := checkName(repo); err != nil {
		return err
	}
	if err := checkTag(tag); err != nil {
		return err
	}
	release := r.cache.hold(r.key(repo, tag).of(cachedTag))
	defer release()
	err := r.db.Update(ctx, func(tx *sqlmeta.Tx) error {
		return tx.DeleteTag(r.id, repo, tag, r.actor.Name)
	})
	if errors.Is(err, sqlmeta.ErrNotFound) {
		return r.absentIn(ctx, repo, orlop.ErrManifestUnknown.With("tag unknown to registry").WithDetail(map[string]string{"name": repo, "tag": tag}))
	}
	return translate(err, nil)
}

// DeleteRepository removes a repository with all it has, and tells what that
// was. ErrNameUnknown if it is absent.
func (r *Registry) DeleteRepository(ctx context.Context, repo string) (meta.Deleted, error) {
	if err := checkName(repo); err != nil {
		return meta.Deleted{}, err
	}
	release := r.cache.holdAll()
	defer release()
	var gone meta.Deleted
	err := r.db.Update(ctx, func(tx *sqlmeta.Tx) (err error) {
		gone, err = tx.DeleteRepository(r.id, repo, r.actor.Name)
		return err
	})
	return gone, translate(err, nameUnknown(repo))
}
