package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/opencontainers/go-digest"
	"github.com/spf13/pflag"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/ref"
)

// The kinds of target, as they are printed.
const (
	kindRegistry = "registry"
	kindLayout   = "oci-layout"
)

// targetOptions say what a reference of the command line means: a repository
// of a registry, or an OCI image layout on disk.
type targetOptions struct {
	remoteOptions
	ociLayout     bool
	ociLayoutPath string
}

func (o *targetOptions) addFlags(fs *pflag.FlagSet) {
	o.remoteOptions.addFlags(fs)
	fs.BoolVar(&o.ociLayout, o.name("oci-layout"), false, "the reference is an OCI image layout: path[:tag|@digest]")
	fs.StringVar(&o.ociLayoutPath, o.name("oci-layout-path"), "", "`DIR` of an OCI image layout; the reference is a name in it")
}

func (o *targetOptions) validate() error {
	if o.ociLayout && o.ociLayoutPath != "" {
		return fmt.Errorf("--%s and --%s cannot be used together", o.name("oci-layout"), o.name("oci-layout-path"))
	}
	return o.remoteOptions.validate()
}

// target is what a reference of the command line names.
type target struct {
	orlop.Registry
	kind      string
	repo      string   // within the registry
	base      string   // the reference without tag and digest
	typed     string   // the reference as typed, with the first tag only
	reference string   // tag or digest; "" if there is none
	tags      []string // all tags of repo:t1,t2,t3
}

// parsedRef is a reference of the command line, taken apart.
type parsedRef struct {
	host, repo, base, reference string
	tags                        []string
	typed                       string // as typed, with the first tag only; "": base and reference
}

// parse takes raw apart, to find what is wrong with it before anything is done.
func (o *targetOptions) parse(raw string) (parsedRef, error) {
	if o.ociLayout || o.ociLayoutPath != "" {
		return o.parseLayout(raw)
	}
	return parseRemote(raw)
}

// purpose is what a target is opened for.
type purpose int

const (
	toChange purpose = iota // to be read and changed
	toRead                  // to be read only: mirrors may stand in
	toCreate                // to be pushed to: a layout is made if there is none
)

// open opens what raw names, to be read and changed. Nothing is sent yet.
func (o *targetOptions) open(env *Env, c *commonOptions, raw string) (*target, error) {
	return o.openTarget(env, c, raw, toChange)
}

// openSource opens what raw names, to be read and nothing else: mirrors may
// stand in for the registry.
func (o *targetOptions) openSource(env *Env, c *commonOptions, raw string) (*target, error) {
	return o.openTarget(env, c, raw, toRead)
}

// openManifest is openSource of one manifest, which a tag or digest names.
func (o *targetOptions) openManifest(env *Env, c *commonOptions, raw string) (*target, error) {
	t, err := o.openSource(env, c, raw)
	if err != nil {
		return nil, err
	}
	if err := t.needReference(); err != nil {
		return nil, errors.Join(err, t.close())
	}
	return t, nil
}

// create opens what raw names, to be pushed to: a layout is made if there is
// none.
func (o *targetOptions) create(env *Env, c *commonOptions, raw string) (*target, error) {
	return o.openTarget(env, c, raw, toCreate)
}

func (o *targetOptions) openTarget(env *Env, c *commonOptions, raw string, what purpose) (*target, error) {
	if o.ociLayout || o.ociLayoutPath != "" {
		return o.openLayout(raw, what == toCreate)
	}
	p, err := parseRemote(raw)
	if err != nil {
		return nil, err
	}
	reg, err := o.registryOf(env, c, p, what == toRead)
	if err != nil {
		return nil, err
	}
	return newTarget(kindRegistry, reg, p), nil
}

func newTarget(kind string, reg orlop.Registry, p parsedRef) *target {
	t := &target{Registry: reg, kind: kind, repo: p.repo, base: p.base, reference: p.reference, tags: p.tags}
	t.typed = cmp.Or(p.typed, t.at(p.reference))
	return t
}

// at returns the full reference of a tag or digest of the target.
func (t *target) at(reference string) string {
	switch {
	case reference == "":
		return t.base
	case isDigest(reference):
		return t.base + "@" + reference
	}
	return t.base + ":" + reference
}

// digested returns the full reference of a digest.
func (t *target) digested(d digest.Digest) string { return t.base + "@" + string(d) }

// String is the target for people: "[registry] localhost:5000/hello:v1".
func (t *target) String() string { return "[" + t.kind + "] " + t.typed }

// needReference demands one tag or digest.
func (t *target) needReference() error {
	switch {
	case t.reference == "":
		return withHint(usagef("%q: no tag or digest specified", t.base), "name it as %[1]s:TAG or %[1]s@DIGEST", t.base)
	case len(t.tags) > 1:
		return withHint(usagef("%q: several tags are specified where one is meant", t.base), "name one of %s", strings.Join(t.tags, ", "))
	}
	return nil
}

// manifest reads the manifest that the target names. From an index it takes
// that of the platform, if one is given, with the descriptor that is in the index.
func (t *target) manifest(ctx context.Context, p *platformOptions) (orlop.Manifest, error) {
	m, err := t.Manifest(ctx, t.repo, t.reference)
	if err != nil || p.parsed == nil {
		return m, t.about(err)
	}
	d, err := choosePlatform(ctx, t, m, p.parsed)
	if err != nil || d.Digest == m.Descriptor.Digest {
		return m, err
	}
	m, err = t.Manifest(ctx, t.repo, string(d.Digest))
	d.Size = m.Descriptor.Size // which is checked
	return orlop.Manifest{Descriptor: d, Raw: m.Raw}, t.aboutRef(t.digested(d.Digest), err)
}

// put stores a manifest under its digest, and makes the tags name it.
func (t *target) put(ctx context.Context, m orlop.Manifest, tags ...string) error {
	d := m.Descriptor
	if p, ok := t.Registry.(orlop.DigestPusher); ok {
		_, err := p.PushManifestDigest(ctx, t.repo, d.MediaType, d.Digest, m.Raw, tags...)
		return err
	}
	_, err := t.PushManifest(ctx, t.repo, d.MediaType, m.Raw, tags...)
	return err
}

// parseRemote parses host/repository[:tag[,tag…]][@digest].
func parseRemote(raw string) (parsedRef, error) {
	if scheme, rest, ok := strings.Cut(raw, "://"); ok {
		return parsedRef{}, withHint(usagef("invalid reference %q: it is a URL", raw),
			"write it as %s; --plain-http says whether HTTP is meant, not %s://", rest, scheme)
	}
	first, more := splitTags(raw)
	r, err := ref.Parse(first)
	if err != nil {
		return parsedRef{}, withHint(&usageError{err: err}, "write the reference as REGISTRY/REPOSITORY[:TAG|@DIGEST]")
	}
	p := parsedRef{host: r.Registry, repo: r.Repository, base: r.Registry + "/" + r.Repository, reference: r.Reference()}
	if r.Tag != "" {
		p.tags = append([]string{r.Tag}, more...)
	}
	for _, tag := range more {
		if err := ref.ValidateTag(tag); err != nil {
			return parsedRef{}, &usageError{err: err}
		}
	}
	return p, nil
}

// splitTags splits repo:t1,t2,t3 into repo:t1 and the other tags.
func splitTags(raw string) (first string, more []string) {
	slash := strings.LastIndexByte(raw, '/')
	if strings.Contains(raw, "@") || !strings.Contains(raw[slash+1:], ":") {
		return raw, nil
	}
	tags := strings.Split(raw[slash+1:], ",")
	return raw[:slash+1] + tags[0], tags[1:]
}

// host is the registry's host[:port]; "" for a layout.
func (t *target) host() string {
	if t.kind != kindRegistry {
		return ""
	}
	host, _, _ := strings.Cut(t.base, "/")
	return host
}

// furtherTags are the tags beside the first.
func (t *target) furtherTags() []string {
	if len(t.tags) < 2 {
		return nil
	}
	return t.tags[1:]
}

// about says that an error is about the target.
func (t *target) about(err error) error { return t.aboutRef(t.typed, err) }

// aboutRef says that an error is about a reference of the target. What a
// layout says is no answer of a registry.
func (t *target) aboutRef(reference string, err error) error {
	if t.kind == kindLayout {
		err = local(err)
	}
	if err == nil {
		return nil
	}
	return &failure{err: err, reference: reference, base: t.base}
}
